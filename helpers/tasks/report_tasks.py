"""Tasks on the results of runs."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, after_dashes, helpers_task

GROUP = Group.TESTS


@helpers_task(
    values={"json": "FILE", "junit": "FILE", "html": "FILE"},
    words="FILE...",
    help={
        "json": "write the joined result as JSON; - is standard output",
        "junit": "write one JUnit file of all",
        "html": "write one page of all",
    },
)
def report_merge(_: Any, json: str = "", junit: str = "", html: str = "") -> int:
    """Join the results of all shards of a run.

    What 'main_pytest.py --shard I/N --json FILE' wrote, files or directories that hold them, stands after two dashes:
    'invoke report_merge --json all.json -- results/'. A shard that is missing, there twice or of another split is
    an error that names it. A shard's JUnit file is looked for where it lay beside its JSON.
    """
    from helpers.driver import merge

    return merge.main(after_dashes(), json_file=json, junit=junit, html=html)
