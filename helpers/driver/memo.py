"""Answers a run in which nothing changed with what it said the last time, before most of Python is imported.

The shim asks here first, in whatever `python3` started it; without an answer the run goes on as ever. A memo is what a
whole run printed that had all its verdicts from the cache (`remember.py` writes it, `verdict_cache.py` keeps those).
It is sound because it answers only where that run would find, and so print, the same again:

- The file's name is a hash of all that the run was given: the toolchain's place, the root, the current directory, the
  Python, the machine's kind, the user, the arguments, what its output goes to, and the whole environment.
- All files that it can have read, of the repo and of the toolchain in it, hold what they held. Git says so, asked with
  the same words as for the verdicts' keys, and its answer is compared whole: with the same index (by the hash that it
  ends with), the same configuration and the same answer, each file that git vouches for is the same one. Those that it
  only names (changed, untracked, ignored) are looked at again, as for a key; a directory that it ignores as a whole
  only where the tests or the plan see something of it. What git told that run itself is what is kept, so that nothing
  can have changed between its verdicts and its memo. Where git can be made to overlook something (attributes, filters,
  hidden entries, submodules that are not there) no memo is written.
- Paths that git does not list (FIFOs, sockets, devices, empty directories) and targets of links are compared too.
- The images of the verdicts have the same digests.

What a memo can not know, such as a released image or another commit, is not asked in a run that leaves one. A memo that
is damaged is none, `invoke cache_clear` removes them with the verdicts, and any doubt ends in a run as ever.
"""

from __future__ import annotations

import marshal
import os
import sys
import time

from helpers.repo import state
from helpers.repo.state import Look, Question, fingerprint
from helpers.thin_env import cache_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PACKAGE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# Of a memo, and of what else goes by the same name.
_FORMAT = "4"
# Other ones in each shell and each call; a memo of tests that are given one of them is not written.
PASSING = ("_", "SHLVL", "PWD", "OLDPWD", "HELPERS_ENTERED", "HELPERS_HEADSTART")
_DIGEST_LETTERS = 64

# What was printed on standard error, and on standard output before and after the time that the run took.
Said = tuple[str, str, str]
# What git said of each checkout, the kinds of paths, where paths lead, the images' digests by file, what was printed.
Memo = tuple[list[Look], dict[str, int], dict[str, str], dict[str, str], Said]


def folder() -> str:
    """Return the directory of all memos."""
    return os.path.join(cache_path(), "verdicts", "runs")


def files() -> list[str]:
    """Return the paths of all memos, those that were left half-written among them."""
    try:
        return [os.path.join(folder(), name) for name in os.listdir(folder()) if ".memo" in name]
    except OSError:
        return []


def path_of(root: str, argv: Sequence[str]) -> str:
    """Return where the memo of a run is.

    Arguments:
        root: of the repo, resolved.
        argv: the arguments of `main_pytest.py`.
    """
    return os.path.join(folder(), f"{all_given(root, argv)}.memo")


def all_given(root: str, argv: Sequence[str]) -> str:
    """Return a name for all that a run is given.

    Arguments:
        root: of the repo, resolved.
        argv: the arguments of `main_pytest.py`.
    """
    import pwd

    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    python = (sys.implementation.cache_tag, sys.hexversion, sys.base_prefix)
    user = (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), name)
    streams = [os.get_terminal_size(number).columns if os.isatty(number) else 0 for number in (1, 2)]
    env = sorted(item for item in os.environ.items() if item[0] not in PASSING)
    system = (os.uname().sysname, os.uname().machine)
    given = (_FORMAT, PACKAGE, root, os.getcwd(), python, user, streams, system, list(argv), env)
    return fingerprint(repr(given).encode("utf-8", "surrogateescape"))[:40]


def answer(script: str, argv: Sequence[str]) -> int | None:
    """Print what the same run printed before, and return its exit code; None when there is no such run.

    Arguments:
        script: the shim.
        argv: its arguments.
    """
    begin = time.monotonic()
    try:
        said = _said(os.path.dirname(os.path.realpath(script)), argv)
    except Exception:
        return None  # whatever is wrong, the run as ever says it better
    return _print(said, time.monotonic() - begin) if said else None


def _said(root: str, argv: Sequence[str]) -> Said | None:
    memo: Memo | None = read(path_of(root, argv))
    if memo is None:
        return None
    looks, kinds, leads, digests, said = memo
    if any(state.marks(look[0], look[1]) != look[2] for look in looks):
        return None
    asked = []
    try:
        for look in looks:
            asked.append(Question(look))
        same = (
            all(kind_of(path) == kind for path, kind in kinds.items())
            and all(os.path.realpath(path) == leads_to for path, leads_to in leads.items())
            and all(_holds(file, digest) for file, digest in digests.items())
            and all(question.is_same() for question in asked)
        )
        return said if same else None
    finally:
        for question in asked:
            question.stop()


def _print(said: Said, seconds: float) -> int:
    """Print it as a run does, which took this time."""
    errors, before, after = said
    try:
        sys.stderr.write(errors)
        sys.stderr.flush()
        sys.stdout.write(f"{before}{seconds:.1f}{after}")
        sys.stdout.flush()
    except OSError as error:
        from helpers.console import report_error

        return report_error(error)
    return 0


def kind_of(path: str) -> int:
    """Return what is at a path, directory or file; 0 for nothing."""
    try:
        return os.stat(path).st_mode & 0o170000
    except OSError:
        return 0


def _holds(file: str, text: str) -> bool:
    with open(file, encoding="utf-8") as found:
        return found.read() == text


def read(path: str) -> Any:
    """Return the memo in a file, or what else `as_bytes` made; None when there is none, or a damaged one."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    # No byte is taken for data before it is known to be what was written.
    payload = memoryview(data)[_DIGEST_LETTERS:]
    if fingerprint(payload) != data[:_DIGEST_LETTERS].decode("ascii", "replace"):
        return None
    return marshal.loads(payload)


def as_bytes(memo: Any) -> bytes:
    """Return a memo, or other plain data, as the content of its file."""
    payload = marshal.dumps(memo)
    return fingerprint(payload).encode() + payload
