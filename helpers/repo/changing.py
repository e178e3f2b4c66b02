"""All that changes a checkout: its files, its branches, its commits. Nothing is forced, and nothing of a repo is run.

Git refuses by itself what would lose files that are changed, or not tracked, where others should stand; what would
delete a submodule it does not refuse, so we do (`overrun`).
"""

from __future__ import annotations

import fcntl
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from helpers import proc
from helpers.console import printable, say
from helpers.errors import InfrastructureError, LockHeldError, PolicyError
from helpers.repo.door import environment, look, only_of
from helpers.repo.location import git_dir
from helpers.repo.overrun import overrun
from helpers.thin_env import lock_holder

_LOCK = "helpers.lock"
_LOCK_SECONDS = 120.0
_TICK_SECONDS = 0.05
# What a commit or a checkout would do besides (https://git-scm.com/docs/git-config): enter submodules, clean up in the
# background, ask gpg.
PLAIN = (
    *(("submodule.recurse", "false"), ("gc.auto", "0"), ("maintenance.auto", "false")),
    *(("merge.verifySignatures", "false"), ("merge.autoStash", "false"), ("commit.gpgSign", "false")),
    # Names that another file system takes for .git are not checked out, whatever the repo says.
    *(("core.protectHFS", "true"), ("core.protectNTFS", "true")),
)
_OUR_INDEX = "helpers.index"
# What becomes the `.git` of a new checkout.
MARK_ASIDE = ".git.helpers"
_SWITCH = ("--quiet", "--no-recurse-submodules", "--no-overwrite-ignore")


@dataclass(frozen=True)
class Commit:
    """A commit to make of pins, and of files where something else belongs to them.

    Arguments:
        pins: the new commit of each submodule, by its path.
        message: what it says.
        seconds: when it was made, in seconds since 1970.
        author: NAME <EMAIL>, as `git var` writes it.
        files: paths, relative to the root, that go with them as they are now.
    """

    pins: Mapping[str, str]
    message: str
    seconds: int
    author: str
    files: Sequence[str] = ()


class Hand:
    """The one process that changes a tree of repos at a time; its git commands run to their end even when it is killed.

    Arguments:
        lock: the open file that is locked; git holds it too, so that who comes next waits for it.
    """

    def __init__(self, lock: int) -> None:
        self._lock = lock

    def fast_forward(self, root: Path, commit: str, branch: str) -> None:
        """Move the branch that is checked out at `root`, and its files, to a commit that has it in its history.

        Raises:
            PolicyError: git refuses, for example because a changed file is in the way, or a submodule would be lost.
        """
        _spare_submodules(root, commit)
        plain = ((f"branch.{branch}.mergeOptions", ""),)
        self._run(root, "merge", "--ff-only", "--no-overwrite-ignore", "--no-stat", "--quiet", commit, more=plain)

    def detach(self, root: Path, commit: str) -> None:
        """Check out `commit` without a branch.

        Raises:
            PolicyError: git refuses, for example because a changed file is in the way, or a submodule would be lost.
        """
        _spare_submodules(root, commit)
        self._run(root, "switch", *_SWITCH, "--detach", commit)

    def in_the_way(self, root: Path, head: str, commit: str) -> str:
        """Return why git could not go from `head`, which is checked out, to `commit`; empty if it could.

        Raises:
            InfrastructureError: the index can not be copied.
        """
        found = git_dir(root)
        assert found is not None
        if not (found / "index").exists():
            return ""
        if why := _submodules_in_the_way(root, commit):
            return why
        ours = _no_index_of_ours(found)
        _write_new(ours, (found / "index").read_bytes())
        extra = {"GIT_INDEX_FILE": str(ours)}
        try:
            # It ends with 1 where a file is changed.
            with suppress(PolicyError):
                self._run(root, "update-index", "-q", "--refresh", extra=extra)
            self._run(root, "read-tree", "--dry-run", "-m", "-u", head, commit, extra=extra)
        except PolicyError as error:
            return f"in the way, as changed or not tracked: {error.what}"
        finally:
            ours.unlink(missing_ok=True)
        return ""

    def switch(self, root: Path, branch: str) -> None:
        """Check out a branch that is there.

        Raises:
            PolicyError: git refuses, for example because a changed file is in the way, or a submodule would be lost.
        """
        _spare_submodules(root, f"refs/heads/{branch}")
        self._run(root, "switch", *_SWITCH, "--no-guess", branch)

    def start_branch(self, root: Path, branch: str, commit: str) -> None:
        """Make a branch at `commit` and check it out.

        Raises:
            PolicyError: git refuses, for example because it is there.
        """
        _spare_submodules(root, commit)
        self._run(root, "switch", *_SWITCH, "--no-track", "--create", branch, commit)

    def follow(self, root: Path, branch: str, remote: str, upstream: str) -> None:
        """Let a branch follow that of a remote, unless it follows one.

        Raises:
            PolicyError: git refuses.
        """
        for key, value in (("remote", remote), ("merge", f"refs/heads/{upstream}")):
            self._run(root, "config", f"branch.{branch}.{key}", value)

    def move_refs(self, root: Path, wanted: Mapping[str, str]) -> None:
        """Let refs stand for other commits, all or none of them.

        Raises:
            PolicyError: git refuses.
        """
        if wanted:
            lines = "".join(f"update {name} {commit}\n" for name, commit in wanted.items())
            self._run(root, "update-ref", "--stdin", stdin=lines)

    def move_branch(self, root: Path, branch: str, commit: str, before: str) -> None:
        """Let a branch that is not checked out stand for `commit`, if it stands for `before` now.

        Raises:
            PolicyError: it does not.
        """
        self._run(root, "update-ref", f"refs/heads/{branch}", commit, before)

    def pin(self, root: Path, pins: Mapping[str, str]) -> None:
        """Record the commits of submodules in the index at `root`; nothing else in it changes.

        Raises:
            PolicyError: git refuses.
        """
        self._run(root, "update-index", "--add", "-z", "--index-info", stdin=_index_info(pins))

    def commit(self, root: Path, branch: str, wanted: Commit) -> str:
        """Commit pins, and nothing else of what is staged or changed, and return the commit.

        The branch is moved before the index: who is killed in between finds the index at the old pins, and does
        the same again. The same commit of the same things has the same id, whenever and in which clone it is made.

        Raises:
            PolicyError: git refuses.
            InfrastructureError: the repo can not be read.
        """
        found = git_dir(root)
        assert found is not None
        head = self._run(root, "rev-parse", "--verify", "HEAD").strip()
        ours = {"GIT_INDEX_FILE": str(_no_index_of_ours(found))}
        self._run(root, "read-tree", head, extra=ours)
        self._run(root, "update-index", "--add", "-z", "--index-info", stdin=_index_info(wanted.pins), extra=ours)
        if wanted.files:
            self._run(root, "update-index", "--add", "--remove", "--", *wanted.files, extra=ours)
        tree = self._run(root, "write-tree", extra=ours).strip()
        (found / _OUR_INDEX).unlink()
        if tree != self._run(root, "rev-parse", f"{head}^{{tree}}").strip():
            who = _who(wanted)
            head_before = head
            head = self._run(root, "commit-tree", tree, "-p", head_before, stdin=wanted.message, extra=who).strip()
            subject = wanted.message.partition("\n")[0]
            self._run(root, "update-ref", "-m", subject, f"refs/heads/{branch}", head, head_before, extra=who)
        self.pin(root, wanted.pins)
        if wanted.files:
            self._run(root, "update-index", "--add", "--remove", "--", *wanted.files)
        return head

    def register(self, root: Path, name: str, url: str) -> None:
        """Let git know that a submodule is wanted here, as `git submodule init` does.

        Raises:
            PolicyError: git refuses.
        """
        for key, value in (("active", "true"), ("url", url)):
            self._run(root, "config", f"submodule.{name}.{key}", value)

    def place(self, kept: Path, root: Path) -> None:
        """Make the empty directory `root` the checkout of the repo kept at `kept`; its files are not there yet.

        Raises:
            PolicyError: git refuses.
            InfrastructureError: it can not be written there.
        """
        root.mkdir(parents=True, exist_ok=True)
        if (kept / "index").exists():
            # Of a checkout that was given up: all its files would count as deleted.
            os.replace(kept / "index", kept / "index.before")
        real = os.path.realpath(root)
        env = {**environment(kept, PLAIN), "GIT_DIR": str(kept), "GIT_WORK_TREE": real}
        self._git(kept, env, "config", "core.worktree", os.path.relpath(real, kept))
        aside = root / MARK_ASIDE
        _remove(aside)
        _write_new(aside, os.fsencode(f"gitdir: {os.path.relpath(kept, real)}\n"))
        os.replace(aside, root / ".git")

    def _run(
        self,
        root: Path,
        *arguments: str,
        stdin: str = "",
        extra: Mapping[str, str] | None = None,
        more: Sequence[tuple[str, str]] = (),
    ) -> str:
        return self._git(root, {**only_of(root, (*PLAIN, *more)), **(extra or {})}, *arguments, stdin=stdin)

    def _git(self, root: Path, env: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
        command = ["git", "--no-pager", "-C", str(root), *arguments]
        env = {**env, "GIT_OPTIONAL_LOCKS": "1"}
        done = proc.finish(command, env=env, stdin=stdin, keep=self._lock, tell=lambda: _still(root, arguments[0]))
        if done.code:
            raise PolicyError(_refusal(done.stderr) or f"git {arguments[0]} failed", where=root)
        return done.stdout


def _no_index_of_ours(found: Path) -> Path:
    """Return where our own index is put, with nothing there: git, too, would write through a link."""
    ours = found / _OUR_INDEX
    _remove(ours)
    _remove(found / f"{_OUR_INDEX}.lock")
    return ours


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there: through no link, whoever makes one in between."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with open(file, "wb") as opened:
            opened.write(content)
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(f"{path.name} can not be written: {os.strerror(error.errno or 0).lower()}", where=path)


def _submodules_in_the_way(root: Path, commit: str) -> str:
    if not (lost := overrun(root, commit)):
        return ""
    words = " ".join(shlex.quote(path) for path in lost)
    return f"in the way: {', '.join(lost)}, where a file replaces the submodule (git submodule deinit {words})"


def _spare_submodules(root: Path, commit: str) -> None:
    if why := _submodules_in_the_way(root, commit):
        raise PolicyError(why, where=root)


@contextmanager
def hand(root: Path) -> Iterator[Hand]:
    """Hold the tree of repos whose outermost super-repo is checked out at `root`, and give the hand that changes it.

    Raises:
        LockHeldError: another process changes it for longer than we wait.
        InfrastructureError: no repo is checked out at `root`, or it can not be written to.
    """
    found = git_dir(root)
    if found is None:
        raise InfrastructureError("no repo is checked out", where=root)
    try:
        lock = os.open(found / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InfrastructureError(f"cannot lock it: {os.strerror(error.errno or 0).lower()}", where=found) from None
    try:
        _wait_for(lock, found / _LOCK)
        lock_holder.write(lock)
        yield Hand(lock)
        lock_holder.clear(lock)
    finally:
        os.close(lock)


def _wait_for(lock: int, path: Path) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LockHeldError(
                    f"another command changes these repos: {lock_holder.read(path)}",
                    where=path,
                    fix="wait for it, then run the command again",
                ) from None
            time.sleep(_TICK_SECONDS)


def author(root: Path) -> str:
    """Return NAME <EMAIL> of who commits at `root`.

    Raises:
        PolicyError: git does not know.
    """
    try:
        return look(root, "var", "GIT_AUTHOR_IDENT").rpartition(">")[0] + ">"
    except InfrastructureError:
        fix = "git config --global user.name NAME && git config --global user.email EMAIL"
        raise PolicyError("git does not know who commits", where=root, fix=fix) from None


def _still(root: Path, word: str) -> None:
    say(f"still at git {word} in {printable(str(root))}")


def _who(wanted: Commit) -> dict[str, str]:
    name, _, email = wanted.author.rstrip(">").rpartition(" <")
    return {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email), ("DATE", f"@{wanted.seconds} +0000"))
    }


def _index_info(pins: Mapping[str, str]) -> str:
    return "".join(f"160000 {commit} 0\t{path}\0" for path, commit in pins.items())


def _refusal(stderr: str) -> str:
    """Return what git said on one line, with the files that it names."""
    lines = stderr.splitlines()
    files = [line.strip() for line in lines if line.startswith("\t")]
    if "index.lock" in stderr:
        return "another git works there, or one was killed and left index.lock"
    if files:
        return f"in the way, as changed or not tracked: {', '.join(files)}"
    told = [line for line in lines if line.startswith(("fatal: ", "error: "))] or lines
    return told[0].partition(": ")[2] or told[0] if told else ""
