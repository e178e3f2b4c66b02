"""Tasks that write what other programs read of a repo: its CI, its editors."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import helpers_task

_CHECK = "write nothing; exit code 1 when a file is not as it would be written"
_DRY_RUN = "write nothing; show what would be written"
_OVERWRITE = "replace a file of yours; it is kept as NAME.orig"


@helpers_task(help={"check": _CHECK, "dry-run": _DRY_RUN, "overwrite": _OVERWRITE})
def ci_generate(_: Any, check: bool = False, dry_run: bool = False, overwrite: bool = False) -> int:
    """Write the GitHub Actions workflow that tests every runnable dir.

    To .github/workflows/helpers.yml. A first job asks main_pytest.py --list for the directories, at each run anew, and
    each of them is tested in a job of its own. Require the job 'helpers' in the branch's protection rules: it is green
    only when all the others are.
    """
    from helpers.generate import workflow

    return workflow.main(check=check, dry_run=dry_run, overwrite=overwrite)
