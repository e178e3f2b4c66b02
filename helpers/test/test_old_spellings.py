"""The options of version 0.2: each works with a note that shows its new spelling."""

from __future__ import annotations

import sys

import pytest
from invoke.program import Program

from helpers.errors import UsageError
from helpers.tasks import namespace, old_spellings
from helpers.tasks.adapter import after_dashes
from helpers.tasks.old_spellings import OldArgument

CONTEXTS = {str(context.name): context for context in namespace.to_contexts()}


def read(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[list[dict[str, object]], list[str]]:
    """Return the arguments of each task of a command line, and the words after `--`, by invoke's own program."""
    monkeypatch.setattr(sys, "argv", ["invoke", *words])
    program = Program(namespace=namespace, name="helpers", binary="invoke")
    program.create_config()
    program.parse_core(None)
    program.parse_collection()
    program.parse_tasks()
    tasks = [(str(task.name), task.as_kwargs) for task in program.tasks]
    for name, named in tasks:
        old_spellings.translate(name, named)
    return [named for _, named in tasks], after_dashes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["docker_kill", "--all"], ["docker_kill", "--every-repo"]),
        (["docker_prune", "--dry-run", "-a"], ["docker_prune", "--dry-run", "--unused"]),
        (["repo_branch", "x", "--all"], ["repo_branch", "x", "--every-repo"]),
        (["docker_cmd", "--dir", "a", "--cmd", "echo 'a b' c"], ["docker_cmd", "--dir", "a", "--", "echo", "a b", "c"]),
        (["docker_cmd", "-c", "ls", "--dir", "a"], ["docker_cmd", "--dir", "a", "--", "ls"]),
        (["run_tests", "--args=-k 'a b' -x"], ["run_tests", "--", "-k", "a b", "-x"]),
        (["run_tests", "--args", "-x", "--", "-v"], ["run_tests", "--", "-x", "-v"]),
        (["run_coverage", "-a", "--no-cov"], ["run_coverage", "--", "--no-cov"]),
        (["doctor", "--json", "docker_kill", "--all"], ["doctor", "--json", "docker_kill", "--every-repo"]),
    ],
)
def test_old_spelling_is_read_as_the_new_one_with_a_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], old: list[str], new: list[str]
) -> None:
    expected = read(monkeypatch, *new)
    assert capsys.readouterr() == ("", "")
    assert read(monkeypatch, *old) == expected
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("is its spelling in version 0.2") == 1 and said.err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["docker_build", "--all"],
        ["docker_lock", "--all", "--check"],
        ["dir_check", "-a"],
        # A value is no option, whatever it looks like.
        ["docker_build", "--dir", "docker_kill", "--all"],
    ],
)
def test_all_of_runnable_dirs_is_no_old_spelling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert read(monkeypatch, *words)[0][0]["all"] is True
    assert capsys.readouterr().err == ""


def current(task: str) -> set[str]:
    """Return the options of a task without old ones."""
    return {flag for flag, item in CONTEXTS[task].flags.items() if not isinstance(item, OldArgument)}


def test_all_means_every_runnable_dir_of_the_repo_in_each_task() -> None:
    meant = {name for name in CONTEXTS if "--all" in current(name)}
    assert meant == {"dir_check", "dir_create", "docker_build", "docker_lock"}
    # Directories of an older scheme are no runnable dirs yet.
    meant.remove("dir_create")
    assert {name for name in meant if "every runnable dir of this repo" not in namespace[name].help["all"]} == set()


def test_words_for_another_program_stand_after_two_dashes_in_each_task() -> None:
    assert not {"--args", "--cmd"} & {flag for name in CONTEXTS for flag in current(name)}
    runs = {name for name in CONTEXTS if name.startswith("run_")}
    assert {name for name in CONTEXTS if namespace[name].words} == {
        *runs,
        *("dir_check", "docker_cmd", "repo_foreach", "report_merge"),
    }


def test_tasks_with_an_old_option_exist() -> None:
    assert set(old_spellings._OLD) <= set(CONTEXTS)


def test_quotes_that_do_not_match_are_bad_usage() -> None:
    with pytest.raises(UsageError, match="--cmd of docker_cmd cannot be split into words"):
        old_spellings.translate("docker_cmd", {"cmd": "echo 'open"})
