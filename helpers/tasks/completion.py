"""Answers the completion of a shell from the parsers of our commands.

`helpers/thin_env/completion.bash` and `completion.zsh` run `invoke --complete -- COMMAND WORD...`. The last word is the
word to complete, perhaps empty. The first line of the answer says the kind of the candidates on the following lines:
`words`, `dirs` or `files`; without candidates of the last two kinds the shell offers its own.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.errors import HelpersError
from helpers.tasks.adapter import value_of
from helpers.tasks.old_spellings import OldArgument

# Each option with the notation of its value, as in the reference; empty for an option without a value.
Options = Mapping[str, str]
_WORDS, _DIRS, _FILES = "words", "dirs", "files"
_TASK = "TASK"


def answer(given: Sequence[str], core: Any, contexts: Mapping[str, Any], tasks: Any) -> list[str]:
    """Return the lines of the answer.

    Arguments:
        given: the command and its words, as the shell spells them.
        core: the context of the options of invoke itself (`invoke.parser.ParserContext`).
        contexts: the context of each task, by its name.
        tasks: the collection of the tasks.
    """
    # bash makes a word of its own of each `=`.
    command, *words = [_unquoted(word) for word in given if word != "="]
    before, word = words[:-1], words[-1] if words else ""
    if os.path.basename(command) == "main_pytest.py":
        return _answer(before, word, driver_options(), {})
    options = {**task_options(core, None), "--help": _TASK, "-h": _TASK}
    return _answer(before, word, options, {name: task_options(contexts[name], tasks[name]) for name in contexts})


def driver_options() -> Options:
    """Return the options of `main_pytest.py`."""
    from helpers.driver import options

    return {name: options.value_of(action) for action in options.shown() for name in action.option_strings}


def task_options(context: Any, task: Any) -> Options:
    """Return the options of a task, and its arguments by position under their names in capitals."""
    flags = context.flags
    # `--no-X` of a flag that is on by default is in no `flags`.
    found = {
        name: value_of(task, flags[name]) if name in flags else ""
        for name in context.flag_names()
        if not isinstance(flags.get(name), OldArgument)
    }
    return {**found, **{item.name.upper(): value_of(task, item) for item in context.positional_args}}


def _answer(before: Sequence[str], word: str, options: Options, tasks: Mapping[str, Options]) -> list[str]:
    own, task, pending = options, "", ""
    positions: list[str] = []
    for given in before:
        if given == "--":
            return [_FILES]
        if given.startswith("-"):
            pending = own.get(given, "")
        elif pending:
            pending = ""
        elif positions:
            positions.pop(0)
        elif given in tasks:
            own, task = tasks[given], given
            positions = [value for name, value in own.items() if name.isupper()]
    if word.startswith("-"):
        name, is_value, value = word.partition("=")
        if is_value:
            return _values(own.get(name, ""), value, tasks, f"{name}=")
        return [_WORDS, *_named(own, word)]
    if pending or positions:
        return _values(pending or positions[0], word, tasks)
    if tasks and (word or not task):
        return [_WORDS, *(name for name in tasks if name.startswith(word))]
    return [_WORDS, *_named(own, word or "--")]


def _named(options: Options, start: str) -> list[str]:
    return [name for name in (*options, "--") if name.startswith(start)]


def _values(notation: str, start: str, tasks: Mapping[str, Options], option: str = "") -> list[str]:
    """Return the answer for a value, whose candidates keep the `OPTION=` before it."""
    if notation in ("FILE", "PATH"):
        return [_FILES]
    if notation == "DIR":
        return [_DIRS, *(option + path for path in sorted(_runnable_dirs(start)))]
    words = [*tasks, "invoke"] if notation == _TASK else notation.split("|") if "|" in notation else []
    return [_WORDS, *(option + word for word in words if word.startswith(start))]


def _runnable_dirs(start: str) -> Iterator[str]:
    """Yield the runnable dirs whose paths, spelled as `start` is, begin with it."""
    from helpers import discover, repo

    here = Path.cwd()
    try:
        paths = discover.runnable_paths(repo.find_root(here))
    except HelpersError:
        return
    for path in paths:
        relative = os.path.relpath(path, here)
        spelled = str(path) if start.startswith("/") else f"./{relative}" if start.startswith("./") else relative
        if spelled.startswith(start) and (relative != "." or not start):
            yield spelled


def _unquoted(word: str) -> str:
    """Return a word of a command line without its quotes, the last of which may be missing."""
    for end in ("", "'", '"'):
        try:
            return "".join(shlex.split(word + end))
        except ValueError:
            continue
    return word
