"""The GitHub Actions workflow of a repo: which directories it tests is asked at each run, so it is the same for all."""

from __future__ import annotations

import json
import re
from pathlib import Path

from helpers import config
from helpers.console import excerpt
from helpers.errors import InfrastructureError, UsageError
from helpers.generate.writing import Generated, bring
from helpers.model.number import whole
from helpers.repo import history
from helpers.repos.shared_files import read, super_repo

PATH = ".github/workflows/helpers.yml"
TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "github"
MARK = "# Made by `invoke ci_generate`"
# https://docs.github.com/en/actions/reference/limits: jobs of one matrix.
_MOST = 256
_USUAL = ("", "main", "master")
# The list of shards in workflows of helpers 0.1.
_SHARDS = re.compile(rb'^ +(?:shard: \[.*"\d+/|.* --list --shard=1/)(\d+)["\] ]', re.MULTILINE)


def workflow(shards: int = 0, branch: str = "") -> Generated:
    """Return the workflow.

    Arguments:
        shards: how many jobs share the directories; 0 is one job for each of them.
        branch: the repo's default branch; empty if it is not known.
    """
    text = config.read_text(TEMPLATES / ("shards.yml" if shards else "helpers.yml")).replace("\r\n", "\n")
    text = text.replace("BRANCHES", "[main, master]" if branch in _USUAL else json.dumps([_pattern(branch)]))
    return Generated(PATH, text.replace("SHARDS", str(shards)) if shards else text, MARK)


def main(
    *,
    shards: str = "",
    check: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    cwd: Path | None = None,
) -> int:
    """Write the workflow of the repo around `cwd`, or compare it, and return the exit code.

    Arguments:
        shards: how many jobs share the directories, 0 for one job for each; empty leaves it as it is in the repo.
        check: write nothing; the exit code is 1 when the file is not what would be written.
        dry_run: write nothing, and show what would be.
        overwrite: replace a file of the user's; it is kept as `NAME.orig`.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no repo with helpers, or `shards` is no number of jobs.
        PolicyError: a file of the user's is in the way, or a link.
    """
    root = super_repo((cwd or Path.cwd()).resolve())
    number = whole(shards, _MOST) if shards else _now(root)
    if number is None:
        raise UsageError(f"--shards {excerpt(shards)} is no number of jobs", fix=f"--shards 0 to {_MOST}")
    made = workflow(number, _default_branch(root))
    return bring(root, [made], check=check, dry_run=dry_run, overwrite=overwrite, fix="invoke ci_generate")


def _default_branch(root: Path) -> str:
    """Return the remote's default branch, as of the last clone; empty if unknown."""
    try:
        return history.default_branch(root, history.remote(root).name)
    except InfrastructureError:
        return ""


def _pattern(branch: str) -> str:
    """Return the pattern of GitHub for this branch alone."""
    return re.sub(r"[*?+!\[\]\\]", r"\\\g<0>", branch)


def _now(root: Path) -> int:
    """Return how many shards the workflow has that is there; 0 where it has none, or is not of this command."""
    there = read(root, PATH) or b""
    found = _SHARDS.search(there) if there.startswith(MARK.encode()) else None
    return min(int(found[1]), _MOST) if found and len(found[1]) < 5 else 0
