"""Tasks on a super-repo and its submodules."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import helpers_task


@helpers_task(
    help={
        "json": "print data for another program",
        "check": "exit code 1 when a repo has any state but ok",
        "offline": "ask no remote: 'not checked out' is then not told apart from 'no access'",
    }
)
def repo_status(_: Any, json: bool = False, check: bool = False, offline: bool = False) -> int:
    """Show the state of the super-repo and of every submodule.

    From anywhere inside. ahead, behind and 'pin not pushed' compare with what was last fetched ('git fetch
    --recurse-submodules' first). The pin is the commit that the super-repo records. Nothing is changed, nothing that
    a repo's own configuration names is run, and only remotes of submodules that are not checked out are asked.
    """
    from helpers.repos import status

    return status.main(as_json=json, check=check, offline=offline)
