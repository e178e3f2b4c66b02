"""The only door to git. A checkout is a stranger's data: nothing that it names is run by looking at it.

Every module of this package starts here, the lean ones too, so this one imports late (`driver/memo.py` says why).
"""

from __future__ import annotations

from helpers.errors import InfrastructureError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    """Ask the repo that `root` lies in, as git finds it.

    Raises:
        InfrastructureError: git fails.
    """
    from helpers.repo import door

    return door.git(root, *arguments)


def find_root(start: Path) -> Path:
    """Return the root of the checkout that `start` lies in, without asking git.

    The submodule helpers is part of the repo around it, without runnable dirs and tasks of its own.

    Raises:
        UsageError: `start` is not inside a git checkout.
    """
    helpers = None
    for directory in (start, *start.parents):
        if (directory / ".git").exists():
            if not _is_helpers(directory):
                return directory
            helpers = helpers or directory
    if helpers:
        return helpers
    raise UsageError("not inside a git checkout", where=start, fix="cd into a checkout that has helpers in it")


def _is_helpers(root: Path) -> bool:
    """Say whether a checkout is the published branch of helpers, as a submodule."""
    mark = root / ".git"
    return (root / "thin_env" / "bootstrap.py").is_file() and mark.is_file() and "/modules/" in mark.read_text()


def files(root: Path, *patterns: str) -> list[Path]:
    """Return the absolute paths of the tracked and untracked, not ignored, files of `root` that match a pattern.

    Arguments:
        root: root of a checkout; submodules and repos nested in it are not entered.
        patterns: globs as in git's `:(glob)` pathspecs, such as `**/changelog.txt`.

    Raises:
        InfrastructureError: git fails.
    """
    specs = [f":(glob){pattern}" for pattern in patterns]
    out = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *specs)
    return [root / name for name in out.split("\0") if name]


def listed(root: Path, *patterns: str) -> dict[str, bool]:
    """Return the files that match a pattern, without ignored files, each with whether git tracks the file.

    Arguments:
        root: root of a checkout, which the paths are relative to; submodules and repos nested in it are not entered.
        patterns: globs as in git's `:(glob)` pathspecs.

    Raises:
        InfrastructureError: git fails.
    """
    specs = [f":(glob){pattern}" for pattern in patterns]
    out = git(root, "ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "--", *specs)
    # A file in conflict has an entry for each side.
    return {entry[2:]: entry[0] != "?" for entry in out.split("\0") if entry}


def tracked(directory: Path) -> list[Path]:
    """Return the absolute paths of the files below `directory` that git tracks and that are there.

    Raises:
        InfrastructureError: git fails.
    """
    out = git(directory, "ls-files", "-z", "--cached", "--", ".")
    paths = [directory / name for name in out.split("\0") if name]
    return [path for path in paths if path.exists() or path.is_symlink()]


def commit(root: Path) -> tuple[str, int]:
    """Return the id of the commit that is checked out, and when it was made, in seconds since 1970.

    Raises:
        InfrastructureError: git fails.
        UsageError: there is no commit yet.
    """
    try:
        name, seconds = git(root, "log", "-1", "--format=%H %ct").split()
    except InfrastructureError:
        from helpers.repo.location import git_in

        fix = f"{git_in(root)} add --all && {git_in(root)} commit"
        raise UsageError("has no commit yet", where=root, fix=fix) from None
    return name, int(seconds)


def changes(root: Path) -> list[str]:
    """Return the changed and untracked paths of a checkout, relative to its root; none when it is clean.

    Raises:
        InfrastructureError: git fails.
    """
    # Most commands of a super-repo do without them.
    from helpers.model import git_status
    from helpers.repo.submodules import gitlinks, submodule_at

    # The status of a submodule would be asked by git itself, which knows nothing of that repo's filters.
    # A search for renames would read whole files through their filters. Without the search both paths are named too.
    options = ("--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames")
    found = git_status.changed_paths(git(root, "status", "--porcelain=v2", "-z", *options))
    inside = [path for path in gitlinks(root) if path not in found and submodule_at(root, path)]
    return [*found, *(path for path in inside if changes(root / path))]


def version() -> str:
    """Return what git says of its version; empty when there is no git."""
    import shutil  # brings every format of archives; most commands do without it

    from helpers import proc

    return proc.run(["git", "--version"], timeout=5).stdout.strip() if shutil.which("git") else ""


def work_trees(root: Path) -> tuple[Path, ...]:
    """Return all directories that git needs to see to work in `root`.

    That is the outermost super-repo when `root` is a submodule, and the repo that keeps the objects when it is a linked
    worktree (https://git-scm.com/docs/git-worktree). The first one contains `root`.
    """
    if (root / ".git").is_dir():
        return (root,)
    from pathlib import Path

    common = git(root, "rev-parse", "--path-format=absolute", "--git-common-dir").rstrip("\n")
    above = git(root, "rev-parse", "--show-superproject-working-tree").rstrip("\n")
    trees = list(work_trees(Path(above))) if above else [root]
    if not any(Path(common).is_relative_to(tree) for tree in trees):
        trees.append(Path(common))
    return tuple(trees)
