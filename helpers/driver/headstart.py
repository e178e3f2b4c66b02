"""Starts containers of tests before most of Python is imported and anything is planned.

The start of a container takes longer than all that is decided before it. So a run leaves a note of how the containers
were started of the directories that it tested. The same command looks where something was changed since; the containers
of those directories are started at once, each to wait for its order. The plan takes such a container only for tests
that would be started just like that (`prepared.py`). All others end unused: a guess that was wrong costs some work of
the machine, and no verdict depends on it.

What is started here belongs to this process, and to the one that it becomes as it enters the environment.
"""

from __future__ import annotations

import os
import time
from itertools import islice

from helpers import spawn
from helpers.driver.memo import all_given, as_bytes, read
from helpers.thin_env import cache_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Another one where a note of an older code of ours would be read in another way.
_FORMAT = "4"
# What Python and git write for themselves.
_NOT_LOOKED_AT = ("__pycache__", ".git")
# Stand in a command for what is another one in each run.
NAME, OWNER, RESULTS = "helpers-of-a-head-start", "owner-of-a-head-start", "/results-of-a-head-start"
ORDER = "order"
# How many paths are held open: many systems allow a process 1024 files, and the run needs some, too.
MOST_HELD = 256
# How many files are looked at, those of the directories first that were tested last, and how many more when one was
# found: most work goes on in few of them.
MOST_LOOKED_AT, MORE_LOOKED_AT = 2000, 200
# Holding a file needs no right to read it, where the system knows that difference.
HOLD = getattr(os, "O_PATH", os.O_RDONLY)

# How a directory's container was started: the command, the paths that it has mounted, those of them that its tests can
# only read, what does not count below these, and how many seconds its tests took.
How = tuple[list[str], list[str], list[str], list[str], float]
# When the files were read for that run (seconds since the epoch), how many may be started, how each was, by the
# directory's name (the newest last), and the names of those that did not pass.
Note = tuple[float, int, dict[str, How], list[str]]
# A container that was started: the directory's name, the command, its own name, where its results go, the client's
# process id, its input and output, and the mounted paths, held open.
Begun = tuple[str, list[str], str, str, int, int, int, list[tuple[str, int]]]
# What the run is handed: what calls the removal after our death off, the directory of all that, when the first was
# started (seconds since the epoch), and the containers.
Handed = tuple[int, str, float, list[Begun]]


def folder() -> str:
    """Return the directory of all notes."""
    return os.path.join(cache_path(), "headstarts")


def path_of(root: str, argv: Sequence[str]) -> str:
    """Return where the note of a run is; `memo.all_given` says by what."""
    return os.path.join(folder(), f"{all_given(root, argv)}-{_FORMAT}.note")


def answer(script: str, argv: Sequence[str]) -> int | None:
    """Start the containers that will be needed first, as far as a note tells; None, as there is no answer yet.

    Arguments:
        script: the shim.
        argv: its arguments.
    """
    try:
        for stream in (0, 1, 2):
            os.fstat(stream)  # a pipe of ours would take the place of one that is closed
        root = os.path.dirname(os.path.realpath(script))
        note: Note | None = read(path_of(root, argv))
        names = _likely(note) if note else []
        if note and names:
            os.environ["HELPERS_HEADSTART"] = hand_over(_begin([(name, *note[2][name][:2]) for name in names]))
    except Exception:
        return None  # the run does without
    return None


def _likely(note: Note) -> list[str]:
    """Return the names of the directories that will be tested first, as far as that can be told so early."""
    since, most, hows, failed = note
    look = _Look()
    changed = []
    for name, (_, _, seen, without, _) in reversed(hows.items()):
        if (when := max((look.last_change(path, without) for path in seen), default=0.0)) > since:
            changed.append((when, name))
            look.left = min(look.left, MORE_LOOKED_AT)
    newest = [name for _, name in sorted(changed, reverse=True)]
    found = [name for name in dict.fromkeys([*newest, *failed]) if name in hows]
    # As a run begins them.
    return sorted(found, key=lambda name: -hows[name][-1])[:most]


class _Look:
    """A look at the times of files, as long as some are `left`: git would take longer to say what they hold."""

    def __init__(self) -> None:
        self.left = MOST_LOOKED_AT
        self._known: dict[str, float] = {}

    def last_change(self, path: str, without: Sequence[str]) -> float:
        """Return when something at or below a path was changed last, in seconds since the epoch; 0.0 if nobody knows.

        Arguments:
            path: a file or directory.
            without: what does not count, and all below it.
        """
        if path not in self._known:
            self._known[path] = 0.0 if path in without else self._below(path, without)
        return self._known[path]

    def _below(self, path: str, without: Sequence[str]) -> float:
        todo = [path]
        try:
            latest = os.lstat(path).st_ctime
        except OSError:
            return 0.0
        while todo and self.left > 0:
            try:
                # From the top down: what is big lies deep.
                entries = list(islice(os.scandir(todo.pop(0)), self.left))
            except OSError:
                continue  # a file, or one that is not for us
            self.left -= len(entries)
            for entry in entries:
                if entry.name in _NOT_LOOKED_AT or entry.path in without:
                    continue
                try:
                    latest = max(latest, entry.stat(follow_symlinks=False).st_ctime)
                except OSError:
                    continue  # it has just gone, which its directory tells
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
        return latest


def _begin(chosen: Sequence[tuple[str, list[str], list[str]]]) -> Handed:
    from helpers.engine.ownership import this_owner

    own = f"{os.getpid()}-{os.urandom(4).hex()}"
    directory = os.path.join(folder(), own)
    owner = this_owner()
    guard = spawn.after_death(lambda: _remove(directory))
    os.makedirs(directory)
    begun: list[Begun] = []
    began_at = time.time()
    for number, (name, command, paths) in enumerate(chosen):
        results = f"{directory}/{number}/results"
        if set(results) & set(',"\n'):
            break  # it would have to be written in another way
        if sum(len(one[-1]) for one in begun) + len(paths) > MOST_HELD:
            continue
        held = hold(paths)
        if held is None:
            continue  # one of them is gone, and the plan will see that
        os.makedirs(results)
        os.mkfifo(f"{results}/{ORDER}", 0o600)
        container = f"helpers-{own}-{number}"
        changes = ((NAME, container), (OWNER, owner), (RESULTS, results))
        words = [_with(word, changes) for word in command]
        begun.append((name, words, container, results, *spawn.begin(words), held))
    for *_, write_input, read_output, held in begun:
        for number in (write_input, read_output, *(number for _, number in held)):
            os.set_inheritable(number, True)
    return guard, directory, began_at, begun


def hold(paths: Sequence[str]) -> list[tuple[str, int]] | None:
    """Return each path with a file descriptor that holds it open; None, and nothing is held, where one can not be.

    Arguments:
        paths: files and directories.
    """
    held: list[tuple[str, int]] = []
    try:
        for path in paths:
            held.append((path, os.open(path, HOLD)))
    except OSError:
        for _, number in held:
            os.close(number)
        return None
    return held


def _with(word: str, changes: Sequence[tuple[str, str]]) -> str:
    for old, new in changes:
        word = word.replace(old, new)
    return word


def _remove(directory: str) -> None:
    """Remove what nobody has used, after the death of the process that started it."""
    import shutil

    from helpers.engine.client import reap_after_death

    # What the engine is just making ends then by itself.
    shutil.rmtree(directory, ignore_errors=True)
    reap_after_death()


def hand_over(begun: Handed) -> str:
    """Leave what was started to the program that this one becomes; return the file by which it is `handed` that.

    A variable may not be as long as many commands are (https://man7.org/linux/man-pages/man2/execve.2.html).
    """
    file = f"{begun[1]}/handed"
    with open(file, "wb") as written:
        written.write(as_bytes(begun))
    return file


def handed() -> Handed | None:
    """Return what was started before this process became what it is; None where that is nothing."""
    file = os.environ.pop("HELPERS_HEADSTART", "")
    found: Handed | None = read(file) if file else None
    return found
