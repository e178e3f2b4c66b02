"""What belongs to a move of the pin of `helpers`: its changelog is shown, templates are merged, the tests are run."""

from __future__ import annotations

import pkgutil
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from helpers import model, proc, repo, repos, toolchain_path
from helpers.console import say
from helpers.errors import NOTHING_RAN, OK, TESTS_FAILED, ConfigError, HelpersError, PolicyError
from helpers.model import changelog, sync_lock
from helpers.model.changelog import Entry
from helpers.repo import merging
from helpers.repo.location import git_in
from helpers.repos import own_version, shared_files, sync_state

# The first start of other code may have to install its thin environment.
_SYNC_SECONDS = 900


class StoppedError(HelpersError):
    """An upgrade waits for its user: conflicts are to be resolved, or tests fail. The pin is not committed."""

    exit_code = TESTS_FAILED
    title = "stopped"


def keep_code() -> None:
    """Import all that may still be needed: once the files of helpers have moved, an import would bring other code."""
    for package in (model, repo, repos):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(found.name)
    for name in ("console", "config", "storage", "thin_env.bootstrap"):
        import_module(f"helpers.{name}")


def files(root: Path, path: str, before: str, after: str, *, test: bool) -> Sequence[str]:
    """Upgrade the repo at `root` if it works with the submodule at `path`, and return the paths for the pin's commit.

    It may be given again after conflicts, failed tests or a kill, and goes on. `carry_out` says more.

    Raises:
        StoppedError: conflicts are to be resolved, or tests fail.
        PolicyError: there are changes that would get into the commit, or the repo does not work with that version.
    """
    if not concerns(root, path):
        return ()
    check(root)
    return carry_out(root, before, after, test=test)


def concerns(root: Path, path: str) -> bool:
    """Say whether the submodule at `path` of the repo at `root` is the helpers that this repo works with."""
    is_ours = path == toolchain_path.stated(root) and (root / "tasks.py").is_file()
    return is_ours and toolchain_path.package(root) is not None


def edited(root: Path, path: str) -> list[str]:
    """Return what is changed in the helpers that the repo at `root` works with, if that is the submodule at `path`.

    An upgrade with it would merge and test by other code than its commit pins. What Python leaves behind is no change.

    Raises:
        InfrastructureError: git fails.
    """
    if not concerns(root, path):
        return []
    return [name for name in repo.changes(root / path) if "__pycache__" not in Path(name).parts]


def check(root: Path) -> None:
    """Refuse where common files have changes that nobody committed: they would get into the commit of the pin.

    What an upgrade has left that was stopped goes on: what came out of its merge is recorded, and so are conflicts,
    which the user was to resolve.

    Raises:
        PolicyError: they have.
    """
    recorded = shared_files.recorded(root)
    changed = [path for path in sorted(set(repo.changes(root)) & set(recorded)) if (root / path).is_file()]
    ids = dict(zip(changed, merging.stored_ids(root, changed), strict=True))
    mine = [path for path in changed if recorded[path].result not in (ids[path], sync_lock.CONFLICT)]
    if mine:
        raise PolicyError(
            f"{', '.join(mine)}: changed, and would get into the commit of the upgrade",
            where=root,
            fix="commit these changes first, or if they belong to the upgrade: invoke sync_update  (records them)",
        )


def carry_out(root: Path, before: str, after: str, *, test: bool = True) -> Sequence[str]:
    """Bring the repo at `root` to the helpers that is checked out there now, and say all that is done.

    Returns the files, relative to the root, that belong into the commit of the pin.

    Arguments:
        root: root of the super-repo.
        before: the commit of helpers that is pinned.
        after: the commit that is checked out.
        test: whether the tests of the repo are run.

    Raises:
        StoppedError: conflicts are to be resolved, or tests fail.
        PolicyError: the repo does not work with that version.
        ConfigError: the changelog of helpers is wrong.
        InfrastructureError: git, or the other code, can not be run.
    """
    package = toolchain_path.package(root)
    assert package is not None
    _show_changes(root, package, before, after)
    if wanted := own_version.wanted_range(root):
        own_version.refuse_other(own_version.own(package), wanted, root)
    # The code in memory is that of before: its templates and its merge are not those of the new one.
    command = [sys.executable, str(package / toolchain_path.BOOTSTRAP), "invoke", "sync_update"]
    done = proc.run(command, cwd=root, timeout=_SYNC_SECONDS)
    print(done.stdout, end="", flush=True)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    if done.code:
        raise _stopped(root, "its templates are not merged", "resolve this, then the same command again")
    if test and (code := _test(root)):
        raise _stopped(root, f"the tests ended with exit code {code}", "mend them, then the same command again")
    return _changed(root)


def _changed(root: Path) -> list[str]:
    """Return the common files, and their record, that are not as they are committed."""
    return sorted(set(repo.changes(root)) & {*shared_files.recorded(root), sync_lock.PATH})


def _stopped(root: Path, what: str, fix: str) -> StoppedError:
    known = set(repo.tracked(root))
    back = [path for path in _changed(root) if root / path in known]
    undo = f" && {git_in(root)} checkout HEAD -- {shlex.join(back)}" if back else ""
    merges = sorted(str(root / sync_state.beside(path)) for path in sync_state.waiting(root))
    undo += f" && rm {shlex.join(merges)}" if merges else ""
    return StoppedError(
        f"{what}, so the new helpers is not committed",
        where=root,
        fix=f"{fix}  (back to the old one: {git_in(root)} submodule update {toolchain_path.stated(root)}{undo})",
    )


def _show_changes(root: Path, package: Path, before: str, after: str) -> None:
    submodule = root / toolchain_path.stated(root)
    path = (package / own_version.CHANGELOG).relative_to(submodule).as_posix()
    old, new = (_entries(submodule, commit, path) for commit in (before, after))
    added = [entry for entry in new if not old or entry.version > old[0].version]
    if not added:
        say(f"helpers {before[:12]} -> {after[:12]}: its changelog has no newer version")
        return
    say(f"helpers {old[0].version if old else before[:12]} -> {added[0].version}")
    for entry in added:
        print("\n".join((f"# {entry.name}-{entry.version}", f"- {entry.date}", *(f"- {note}" for note in entry.notes))))
    sys.stdout.flush()


def _entries(root: Path, commit: str, path: str) -> Sequence[Entry]:
    """Return the entries of a changelog as it was in a commit; none where it was not there, or was spoiled."""
    text = merging.text_at(root, commit, path)
    try:
        return changelog.parse(text, f"{commit[:12]}:{path}").entries if text else ()
    except ConfigError as error:
        say(f"note: {error.summary}")
        return ()


def _test(root: Path) -> int:
    """Run the tests of the repo, by the new code, and return the exit code; a repo without any passes."""
    child = proc.Child([sys.executable, str(root / "main_pytest.py")], cwd=root)
    child.close_input()
    try:
        for line in child.output:
            print(line.decode("utf-8", "replace"), end="", flush=True)
        while (code := child.wait(60)) is None:
            pass
    finally:
        child.terminate()
    return OK if code == NOTHING_RAN else code
