"""Which template of helpers goes where in a super-repo, and how files are read and written there."""

from __future__ import annotations

import difflib
import glob
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers import checkout_file, config, pyproject, repo, toolchain_path
from helpers.errors import ConfigError, PolicyError, UsageError
from helpers.model import sync_lock
from helpers.model.blob import blob_id
from helpers.model.number import MOST_PROCESSES, whole
from helpers.model.settings_file import spelled
from helpers.model.sync_lock import Merged
from helpers.repos.stated_path import StatedPath

PACKAGE = Path(__file__).resolve().parents[1]
# Every super-repo has the ones; of the others, those that its setting `sync` lists.
_ALWAYS, _LISTED = "super_repo", "shared"


@dataclass(frozen=True)
class Template:
    """A file of helpers that belongs into a super-repo.

    Arguments:
        path: where, relative to the root.
        base: its bytes in helpers, lines ended by `\\n` whatever git made of it in this checkout.
        mode: permissions of a new one.
        shim: whether every repo has it, as our commands start by it.
        stated: where helpers lies in the super-repo.
    """

    path: str
    base: bytes
    mode: int
    shim: bool
    stated: StatedPath

    @property
    def content(self) -> bytes:
        """Its bytes in the super-repo."""
        return self.stated.put_into(self.base)

    @property
    def base_id(self) -> str:
        """The name that git gives to it in helpers."""
        return blob_id(self.base)

    @property
    def blob_id(self) -> str:
        """The name that git gives to it in the super-repo."""
        return blob_id(self.content)


@dataclass(frozen=True)
class Write:
    """A file of the super-repo that is to be written.

    Arguments:
        path: relative to the root.
        before: its content; None if there is none.
        after: what it should be.
        mode: permissions of a new one; one that is there keeps its own.
    """

    path: str
    before: bytes | None
    after: bytes
    mode: int = 0o644


def super_repo(here: Path, package: Path = PACKAGE) -> Path:
    """Return the root of the repo around `here`, whose shims lead to this helpers.

    Raises:
        UsageError: they do not.
    """
    root = repo.find_root(here)
    path = toolchain_path.stated(root)
    if not _is_at(root / path, package):
        inside = package.is_relative_to(root)
        raise UsageError(
            f"is not a repo whose directory {path}/ is this helpers",
            where=root,
            why=f"this one is {package}",
            fix=init_command(package) if inside else "cd to the repo that has it, or add it: invoke --help repo_init",
        )
    return root


def init_command(package: Path) -> str:
    """Return the command that makes the repo around a package of helpers ready to use."""
    return f"python3 {shlex.quote(str(package / toolchain_path.BOOTSTRAP))} init"


def lies_at(root: Path, package: Path = PACKAGE) -> StatedPath:
    """Return where a helpers lies in the repo at `root`, whatever the shims of the repo state.

    Raises:
        UsageError: it is outside of the repo, or at a path that helpers cannot have.
    """
    for path in dict.fromkeys((toolchain_path.stated(root), toolchain_path.NAME)):
        if _is_at(root / path, package):
            return _stated(root, path, package)
    above = package.parent
    is_whole = (
        above != root
        and not (package / ".git").exists()
        and (above.name == toolchain_path.NAME or (above / ".git").exists())
    )
    found = above if is_whole else package
    if not found.is_relative_to(root):
        fix = "cd to the repo that has it, or: git submodule add -b helpers URL helpers"
        raise UsageError("does not have this helpers", where=root, why=f"it is {package}", fix=fix)
    path = found.relative_to(root).as_posix()
    if not toolchain_path.is_plain(path):
        folder, git = shlex.quote(str(root / "tools")), f"git -C {shlex.quote(str(root))}"
        raise UsageError(
            f"helpers cannot lie at {path}",
            where=root,
            why=f"its path ends in {toolchain_path.NAME}, and has letters, digits and . _ - / only",
            fix=f"mkdir -p {folder} && {git} mv {shlex.quote(path)} tools/{toolchain_path.NAME}",
        )
    return _stated(root, path, package)


def _is_at(place: Path, package: Path) -> bool:
    """Return whether `place` is the sub-repo with a package, or the whole repo around it."""
    found = os.path.realpath(place)
    return found == str(package) or (found == str(package.parent) and not (package / ".git").exists())


def _stated(root: Path, path: str, package: Path) -> StatedPath:
    alone = os.path.realpath(root / path) == str(package)
    return StatedPath(path, path if alone else f"{path}/{toolchain_path.NAME}")


def shims(stated: StatedPath, package: Path = PACKAGE) -> list[Template]:
    """Return the templates that every super-repo has, by their paths."""
    return _templates(package / "templates" / _ALWAYS, stated)


def wanted(root: Path, package: Path = PACKAGE) -> list[Template]:
    """Return the templates that the super-repo `root` has or should have, by their paths.

    Raises:
        ConfigError: its setting `sync` lists what is no template.
    """
    stated = _stated(root, toolchain_path.stated(root), package)
    always = shims(stated, package)
    listed = {template.path: template for template in _templates(package / "templates" / _LISTED, stated)}
    names = config.repo_settings(root).sync
    for name in names:
        if name not in listed:
            raise _unknown(name, root, sorted(listed), [template.path for template in always])
    return sorted([*always, *(listed[name] for name in names)], key=lambda template: template.path)


def recorded(root: Path) -> dict[str, Merged]:
    """Return what the super-repo `root` records of its common files, by path; empty without a record.

    Raises:
        ConfigError: the record is not in its format.
        PolicyError: a link leads to it.
    """
    found = read(root, sync_lock.PATH)
    return sync_lock.parse(found.decode("utf-8", "replace"), sync_lock.PATH) if found else {}


def _templates(folder: Path, stated: StatedPath) -> list[Template]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    shim = folder.name == _ALWAYS
    return [Template(path.relative_to(folder).as_posix(), _text(path), _mode(path), shim, stated) for path in files]


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644


def _unknown(name: str, root: Path, known: Sequence[str], always: Sequence[str]) -> ConfigError:
    file = pyproject.settings_file(root)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    fix = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return ConfigError(
        f"{spelled('sync', file)}: helpers has no common file {name!r}",
        where=file,
        fix="take it out: that one every repo has" if name in always else fix,
    )


def check_plain(root: Path, path: str) -> bool:
    """Say whether there is a file at `path` of the super-repo; a link on the way is refused, not followed.

    Raises:
        PolicyError: a link, or something that is no file, is in the way.
    """
    steps = [root.joinpath(*Path(path).parts[: count + 1]) for count in range(len(Path(path).parts))]
    for step in steps:
        if step.is_symlink():
            raise PolicyError("is a link, and nothing is written through it", where=step, fix="put a file in its place")
        if step != steps[-1] and step.exists() and not step.is_dir():
            raise PolicyError("is a file where a directory belongs", where=step, fix="move it away")
    if steps[-1].exists() and not steps[-1].is_file():
        raise PolicyError("is no file, where a file belongs", where=steps[-1], fix="move it away")
    return steps[-1].exists()


def read(root: Path, path: str) -> bytes | None:
    """Return the content of a file in the super-repo, None if it is not there.

    Raises:
        PolicyError: a link, or something that is no file, is in the way.
    """
    return checkout_file.read(root / path) if check_plain(root, path) else None


def kept_beside(root: Path, path: str) -> str:
    """Return where a file of the user's is kept when ours takes its place: `NAME.orig`, or the next that is free.

    Arguments:
        root: absolute path of the super-repo.
        path: of the file, relative to that.
    """
    names = (f"{path}.orig", *(f"{path}.orig.{number}" for number in range(2, 1000)))
    return next(name for name in names if not os.path.lexists(root / name))


@contextmanager
def written(root: Path, writes: Sequence[Write]) -> Iterator[None]:
    """Write files of the super-repo: all of them or, when one or what is done meanwhile fails, none.

    Each is written aside and put in its place at once, so that nobody ever reads a half of it.

    Raises:
        OSError: one could not be written; what was changed is as before.
    """
    staged: list[tuple[Write, str]] = []
    replaced: list[Write] = []
    made: list[Path] = []
    try:
        for write in writes:
            made += _make_parents(root, write.path)
            staged.append((write, _aside(root, write)))
        for write, aside in staged:
            os.replace(aside, root / write.path)
            replaced.append(write)
        yield
    except BaseException:
        for _, aside in staged[len(replaced) :]:
            Path(aside).unlink(missing_ok=True)
        for write in reversed(replaced):
            _restore(root, write)
        for folder in reversed(made):
            folder.rmdir()
        raise


def _make_parents(root: Path, path: str) -> Iterator[Path]:
    for parent in reversed(Path(path).parents):
        if not (root / parent).exists():
            (root / parent).mkdir()
            yield root / parent


def _beside(target: Path) -> str:
    return f".{target.name}-helpers-"


def _drop_left(target: Path) -> None:
    """Remove what a process left beside a file that was killed as it wrote that."""
    for left in target.parent.glob(f"{glob.escape(_beside(target))}*"):
        process = left.name.removeprefix(_beside(target)).partition("-")[0]
        number = whole(process, MOST_PROCESSES)
        if number is not None and not _runs(number):
            left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _aside(root: Path, write: Write) -> str:
    target = root / write.path
    _drop_left(target)
    handle, aside = tempfile.mkstemp(prefix=f"{_beside(target)}{os.getpid()}-", dir=target.parent)
    try:
        with open(handle, "wb") as stream:
            stream.write(write.after)
        os.chmod(aside, write.mode if write.before is None else stat.S_IMODE(target.stat().st_mode))
    except BaseException:
        os.unlink(aside)
        raise
    return aside


def _restore(root: Path, write: Write) -> None:
    if write.before is None:
        (root / write.path).unlink()
    else:
        os.replace(_aside(root, Write(write.path, b"", write.before)), root / write.path)
