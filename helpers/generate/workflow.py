"""The GitHub Actions workflow of a repo: which directories it tests is asked at each run, so it is the same for all."""

from __future__ import annotations

from pathlib import Path

from helpers import config
from helpers.generate.writing import Generated, bring
from helpers.repos.shared_files import super_repo

PATH = ".github/workflows/helpers.yml"
TEMPLATE = Path(__file__).resolve().parents[1] / "templates" / "github" / "helpers.yml"
MARK = "# Made by `invoke ci_generate`"


def workflow() -> Generated:
    """Return the workflow."""
    return Generated(PATH, config.read_text(TEMPLATE).replace("\r\n", "\n"), MARK)


def main(*, check: bool = False, dry_run: bool = False, overwrite: bool = False, cwd: Path | None = None) -> int:
    """Write the workflow of the repo around `cwd`, or compare it, and return the exit code.

    Arguments:
        check: write nothing; the exit code is 1 when the file is not what would be written.
        dry_run: write nothing, and show what would be.
        overwrite: replace a file of the user's; it is kept as `NAME.orig`.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no repo with helpers.
        PolicyError: a file of the user's is in the way, or a link.
    """
    root = super_repo((cwd or Path.cwd()).resolve())
    return bring(root, [workflow()], check=check, dry_run=dry_run, overwrite=overwrite, fix="invoke ci_generate")
