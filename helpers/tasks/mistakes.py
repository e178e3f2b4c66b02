"""Explains a command line that invoke cannot read: the mistake, the nearest right word, a command that works."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.errors import HelpersError, UsageError
from helpers.tasks.old_spellings import OldArgument

_MENU = "invoke --list"
_SHELL, _COMMAND = "docker_bash", "docker_cmd"
# Options of other shells and of `docker_cmd` in version 0.2.
_AS_COMMAND = ("--cmd", "--command", "-c")
_WORDS = "words for another program stand after --"
# Texts of invoke.parser.ParseMachine.
_UNKNOWN = re.compile(r"No idea what '(.*)' is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <Argument: (\w+).*needed value")


def explain(error: Any, words: Sequence[str], contexts: Mapping[str, Any], takes_words: Container[str]) -> UsageError:
    """Return the error for a mistake that invoke found.

    Arguments:
        error: the ParseError of invoke.
        words: the command line, without the options of invoke itself before the first task.
        contexts: the context of each task, by its name (`invoke.parser.ParserContext`).
        takes_words: the tasks with words after `--`.
    """
    task = error.context if error.context is not None and error.context.name else None
    if found := _UNKNOWN.fullmatch(str(error)):
        word = found[1]
        if task is None:
            return _before_tasks(word, words, contexts)
        if word.startswith("-"):
            return _option(word, task, words, takes_words)
        return _left_over(word, task, words, contexts, takes_words)
    if task is None:
        return UsageError(str(error), fix=_MENU)
    if missing := task.missing_positional_args:
        return UsageError(
            f"{task.name} needs a {missing[0].name.upper()}",
            why=missing[0].help,
            fix=f"invoke {shlex.join([*words, 'first_try'])}",
        )
    if found := _NO_VALUE.search(str(error)):
        return UsageError(f"--{found[1].replace('_', '-')} of {task.name} needs a value", fix=_help(task.name))
    return UsageError(f"{task.name}: {error}", fix=_help(task.name))


def _before_tasks(word: str, words: Sequence[str], contexts: Mapping[str, Any]) -> UsageError:
    """Explain a word where a task is expected."""
    if not word.startswith("-"):
        wrong = f"there is no task {word!r}"
        if not (near := _near(word, contexts)):
            return UsageError(wrong, fix=_MENU)
        # The word after `--help` is not in the command line of tasks.
        fix = _instead(words, word, near) if word in words else _help(near)
        return UsageError(f"{wrong}; did you mean {near}?", fix=fix)
    later = next((name for name in words if name in contexts), "")
    if later and word in contexts[later].flags:
        others = [later, *(other for other in words if other != later)]
        return UsageError(f"{word} stands before its task {later}", fix=f"invoke {shlex.join(others)}")
    return UsageError(f"there is no option {word} before a task", fix="invoke --help invoke")


def _option(word: str, task: Any, words: Sequence[str], takes_words: Container[str]) -> UsageError:
    """Explain an option that a task does not have."""
    wrong = f"{task.name} has no option {word}"
    at = next((at for at, given in enumerate(words) if given.partition("=")[0] == word), None)
    if task.name == _SHELL and word in _AS_COMMAND and at is not None:
        given = [words[at].partition("=")[2], *words[at + 1 :]] if "=" in words[at] else words[at + 1 :]
        before = [_COMMAND if one == _SHELL else one for one in words[:at]]
        command = _split(given[0]) if len(given) == 1 else given
        fix = f"invoke {shlex.join([*before, '--', *(command or ['python', '-V'])])}"
        return UsageError(wrong, why=f"a command stands after -- of {_COMMAND}", fix=fix)
    near = _near(
        word, [name for name, item in task.flags.items() if name.startswith("--") and not isinstance(item, OldArgument)]
    )
    if near:
        return UsageError(f"{wrong}; did you mean {near}?", fix=_instead(words, word, near))
    if task.name in takes_words:
        return UsageError(wrong, why=_WORDS, fix=_after_dashes(words, word))
    return UsageError(wrong, fix=_help(task.name))


def _left_over(
    word: str, task: Any, words: Sequence[str], contexts: Mapping[str, Any], takes_words: Container[str]
) -> UsageError:
    """Explain a word that is neither a task nor belongs to the task before it."""
    wrong = f"{task.name} does not take the word {word!r}"
    if "--dir" in task.flags and (directory := _directory(word)):
        return UsageError(f"{wrong}; did you mean --dir?", fix=_instead(words, word, "--dir", directory))
    if near := _near(word, contexts):
        return UsageError(f"{wrong}; did you mean the task {near}?", fix=_instead(words, word, near))
    reason = "a runnable dir stands after --dir" if "--dir" in task.flags else None
    if task.name == _SHELL:
        command = [_COMMAND if given == _SHELL else given for given in words]
        return UsageError(wrong, why=f"{reason}, a command after -- of {_COMMAND}", fix=_after_dashes(command, word))
    if task.name in takes_words:
        return UsageError(wrong, why=f"{reason}; {_WORDS}" if reason else _WORDS, fix=_after_dashes(words, word))
    return UsageError(wrong, why=reason, fix=_help(task.name))


def refused_words(task: str, words: Sequence[str], after: Sequence[str]) -> UsageError:
    """Return the error for words after `--` that no task of the command line takes.

    Arguments:
        task: the last task.
        words: the command line before `--`.
        after: the words after it.
    """
    line = [*words, "--", *after] if task == _SHELL else words
    return UsageError(
        f"{task} takes no words after --: {shlex.join(after)}",
        fix=f"invoke {shlex.join(_COMMAND if task == given == _SHELL else given for given in line)}",
    )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return [text]


def _after_dashes(words: Sequence[str], word: str) -> str:
    """Return the command line with `--` before a word."""
    at = words.index(word) if word in words else len(words)
    return f"invoke {shlex.join([*words[:at], '--', *words[at:]])}"


def _directory(word: str) -> str:
    """Return the directory that a word names, by its path or as the name of a runnable dir; empty without one."""
    if os.path.isdir(word):
        return word
    from helpers import discover, repo

    try:
        paths = discover.runnable_paths(repo.find_root(Path.cwd()))
    except HelpersError:
        return ""
    return next((os.path.relpath(path) for path in paths if path.name == word), "")


def _near(word: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches  # few command lines are wrong

    return next(iter(get_close_matches(word, list(names), n=1)), "")


def _instead(words: Sequence[str], word: str, *better: str) -> str:
    """Return the command line with `better` instead of a word; a value after `=` stays."""
    at = next(at for at, given in enumerate(words) if given == word or given.startswith(f"{word}="))
    last = better[-1] + words[at].removeprefix(word)
    return f"invoke {shlex.join([*words[:at], *better[:-1], last, *words[at + 1 :]])}"


def _help(task: str) -> str:
    return f"invoke {task} --help"
