"""Explains a command line that invoke cannot read: the mistake, the nearest right word, a command that works."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from helpers.errors import HelpersError, UsageError

_MENU = "invoke --list"
# Texts of invoke.parser.ParseMachine.
_UNKNOWN = re.compile(r"No idea what '(.*)' is!", re.DOTALL)
_NO_VALUE = re.compile(r"Flag <Argument: (\w+).*needed value")


def explain(error: Any, words: Sequence[str], contexts: Mapping[str, Any]) -> UsageError:
    """Return the error for a mistake that invoke found.

    Arguments:
        error: the ParseError of invoke.
        words: the command line, without the options of invoke itself before the first task.
        contexts: the context of each task, by its name (`invoke.parser.ParserContext`).
    """
    task = error.context if error.context is not None and error.context.name else None
    if found := _UNKNOWN.fullmatch(str(error)):
        word = found[1]
        if task is None:
            return _before_tasks(word, words, contexts)
        return _option(word, task, words) if word.startswith("-") else _left_over(word, task, words, contexts)
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


def _option(word: str, task: Any, words: Sequence[str]) -> UsageError:
    """Explain an option that a task does not have."""
    wrong = f"{task.name} has no option {word}"
    near = _near(word, [name for name in task.flags if name.startswith("--")])
    if near:
        return UsageError(f"{wrong}; did you mean {near}?", fix=_instead(words, word, near))
    return UsageError(wrong, fix=_help(task.name))


def _left_over(word: str, task: Any, words: Sequence[str], contexts: Mapping[str, Any]) -> UsageError:
    """Explain a word that is neither a task nor belongs to the task before it."""
    wrong = f"{task.name} does not take the word {word!r}"
    if "--dir" in task.flags and (directory := _directory(word)):
        return UsageError(f"{wrong}; did you mean --dir?", fix=_instead(words, word, "--dir", directory))
    if near := _near(word, contexts):
        return UsageError(f"{wrong}; did you mean the task {near}?", fix=_instead(words, word, near))
    if task.name in ("docker_bash", "docker_cmd"):
        given = words[words.index(word) :]
        why = "a runnable dir stands after --dir, a command after --cmd"
        return UsageError(wrong, why=why, fix=f"invoke docker_cmd --cmd {shlex.quote(shlex.join(given))}")
    reason = "a runnable dir stands after --dir" if "--dir" in task.flags else None
    return UsageError(wrong, why=reason, fix=_help(task.name))


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
    return next(iter(get_close_matches(word, list(names), n=1)), "")


def _instead(words: Sequence[str], word: str, *better: str) -> str:
    """Return the command line with `better` instead of a word; a value after `=` stays."""
    at = next(at for at, given in enumerate(words) if given == word or given.startswith(f"{word}="))
    last = better[-1] + words[at].removeprefix(word)
    return f"invoke {shlex.join([*words[:at], *better[:-1], last, *words[at + 1 :]])}"


def _help(task: str) -> str:
    return f"invoke {task} --help"
