"""Tasks that write what other programs read of a repo: its CI, its editors."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task

GROUP = Group.CI

_CHECK = "write nothing; exit code 1 when a file is not as it would be written"
_DRY_RUN = "write nothing; show what would be written"
_OVERWRITE = "replace a file of yours; it is kept as NAME.orig"


@helpers_task(
    help={
        "shards": "N jobs that share the directories; 0: a job for each; default: as it is, at first 0",
        "check": _CHECK,
        "dry-run": _DRY_RUN,
        "overwrite": _OVERWRITE,
    }
)
def ci_generate(_: Any, shards: str = "", check: bool = False, dry_run: bool = False, overwrite: bool = False) -> int:
    """Write the GitHub Actions workflow that tests the repo.

    To .github/workflows/helpers.yml. Which directories there are is asked at each run anew: each has a job of its own,
    or, with --shards, N jobs share them by main_pytest.py --shard and a last one joins their results. Require the job
    'helpers' in the branch's protection rules: it is green only when all the others are.
    """
    from helpers.generate import workflow

    return workflow.main(shards=shards, check=check, dry_run=dry_run, overwrite=overwrite)


@helpers_task(
    help={
        "dir": "the only one; default: all runnable dirs of this repo",
        "check": _CHECK,
        "dry-run": _DRY_RUN,
        "overwrite": _OVERWRITE,
    }
)
def devcontainer_generate(
    _: Any, dir: str | None = None, check: bool = False, dry_run: bool = False, overwrite: bool = False
) -> int:
    """Write devcontainer.json, for VS Code and PyCharm.

    To .devcontainer/, one for each runnable dir: its own image, the checkout at its own path, and the user and the
    limits of docker_bash. The files are the same for every user and every checkout: commit them.
    """
    from helpers.generate import devcontainer

    return devcontainer.main(directory=dir or "", check=check, dry_run=dry_run, overwrite=overwrite)


@helpers_task(help={"dir": "the runnable dir; default: the nearest enclosing one"})
def devcontainer_build(_: Any, dir: str | None = None) -> int:
    """Build the image in which an editor opens a runnable dir.

    The image of the directory, built if need be, with the caller as its user. devcontainer.json calls it by itself.
    """
    from helpers.containers import editor

    return editor.build(dir)
