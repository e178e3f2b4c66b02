"""The menu of the tasks, and the answers to a command line that names no task or option of ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from invoke.collection import Collection
from invoke.tasks import task

from helpers.tasks import menu, namespace
from helpers.tasks.adapter import Group
from helpers.tasks.program import HelpersProgram
from helpers.test.conftest import thin_env
from helpers.test.unit_fixtures import add_dir, make_repo

ROOT = Path(__file__).resolve().parents[2]
EVERYDAY = ["docker_bash", "docker_cmd", "run_fast_tests", "docker_lock", "dir_create", "doctor"]
FILES = sorted((ROOT / "helpers" / "tasks").glob("*_tasks.py"))


def test_menu_begins_with_six_everyday_tasks() -> None:
    assert next(menu.groups(namespace)) == (menu.EVERYDAY, EVERYDAY)


def test_menu_shows_each_task_once_with_its_summary_in_80_columns() -> None:
    text = menu.text(namespace)
    shown = re.findall(r"^  (\w+) +(\S.*)$", text, re.MULTILINE)
    assert {name: f"{summary}." for name, summary in shown} == {
        name: (item.__doc__ or "").splitlines()[0] for name, item in namespace.tasks.items()
    }
    assert len(shown) == len(namespace.tasks) and max(map(len, text.splitlines())) <= menu.COLUMNS


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_group_of_a_task_is_that_of_its_module(file: Path) -> None:
    module = sys.modules[f"helpers.tasks.{file.stem}"]
    title = dict.fromkeys(namespace.tasks, "")
    for group, names in list(menu.groups(namespace))[1:]:
        title.update(dict.fromkeys(names, group))
    own = [name for name, item in namespace.tasks.items() if item.body.__module__ == module.__name__]
    assert own and {title[name] for name in own if name not in EVERYDAY} <= {vars(module)["GROUP"].value}


def test_task_of_another_repo_has_its_own_group_and_a_long_summary_is_cut() -> None:
    @task
    def brew(_: object) -> None:
        """Boil the water, then grind the beans, then pour the water over the beans, then wait for four minutes."""

    collection = Collection(brew)
    collection.add_task(namespace["doctor"])
    *_, (title, names) = menu.groups(collection)
    assert (title, names) == (menu.OTHERS, ["brew"])
    line = next(line for line in menu.text(collection).splitlines() if "Boil" in line)
    assert line.endswith("...") and len(line) <= menu.COLUMNS


def test_every_group_has_a_task() -> None:
    assert [title for title, _ in menu.groups(namespace)] == [menu.EVERYDAY, *(group.value for group in Group)]


def run(tmp_path: Path, where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command like the `invoke` that `install.py` writes."""
    script = tmp_path / "command"
    text = (ROOT / "helpers" / "thin_env" / "invoke_script.py").read_text()
    script.write_text(f"{text}\n\nprepare()\nfrom invoke.main import program\nsys.exit(run(program.run))\n")
    return subprocess.run([sys.executable, script, *words], cwd=where, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--list"], ["-l"]])
def test_invoke_alone_and_its_help_show_the_menu(tmp_path: Path, words: list[str]) -> None:
    done = run(tmp_path, ROOT / "docs", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{menu.text(namespace)}\n", "")


def test_options_of_invoke_itself_are_shown_as_the_menu_says(tmp_path: Path) -> None:
    words = next(line for line in menu.text(namespace).splitlines() if "invoke itself" in line).split()[1:3]
    done = run(tmp_path, ROOT, *words)
    assert done.returncode == 0 and "--prompt-for-sudo-password" in done.stdout


def test_tasks_without_helpers_are_listed_by_invoke(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("from invoke import task\n@task\ndef brew(_): 'Boil.'\n")
    for words in ([], ["--list"]):
        assert "Every day" not in run(tmp_path, tmp_path, *words).stdout
    assert "brew" in run(tmp_path, tmp_path, "--list").stdout


@pytest.mark.host
@pytest.mark.parametrize("words", [[], ["--help"], ["--list"]])
def test_installed_invoke_and_bootstrap_show_the_menu(words: list[str]) -> None:
    bootstrap = [sys.executable, "helpers/thin_env/bootstrap.py", "invoke"]
    for command in ([str(thin_env() / "path" / "invoke")], bootstrap):
        done = subprocess.run([*command, *words], cwd=ROOT, capture_output=True, encoding="utf-8")
        assert (done.returncode, done.stdout) == (0, f"{menu.text(namespace)}\n"), done.stderr


def told(capsys: pytest.CaptureFixture[str], words: Sequence[str]) -> tuple[str, str]:
    """Return the error for a wrong command line, and its fix."""
    with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit) as caught:
        patched.setattr(sys, "argv", ["invoke", *words])
        HelpersProgram(namespace=namespace, name="helpers", binary="invoke").run()
    said = capsys.readouterr()
    assert (caught.value.code, said.out) == (2, ""), said
    lines = said.err.splitlines()
    fix = next(line.removeprefix("  fix: ") for line in lines if line.startswith("  fix: "))
    return "\n".join(lines[: lines.index(f"  fix: {fix}")]).removeprefix("helpers: bad usage: "), fix


def can_be_read(line: str) -> bool:
    """Say whether invoke understands a command."""
    program = HelpersProgram(namespace=namespace, name="helpers", binary="invoke")
    program.create_config()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", shlex.split(line))
        program.parse_core(None)
        program.parse_collection()
        try:
            program.parse_tasks()
        except SystemExit:
            return False
    return True


@pytest.mark.parametrize(
    ("words", "error", "fix"),
    [
        (["docker_biuld", "--all"], "no task 'docker_biuld'; did you mean docker_build?", "docker_build --all"),
        (["--help", "dockr_bash"], "no task 'dockr_bash'; did you mean docker_bash?", "docker_bash --help"),
        (["zzz"], "no task 'zzz'", "--list"),
        (["docker_lock", "--chekc"], "docker_lock has no option --chekc; did you mean --check?", "docker_lock --check"),
        (["docker_bash", "--dri=a b"], "no option --dri; did you mean --dir?", "docker_bash '--dir=a b'"),
        (["sync_update", "--dry_rum"], "no option --dry_rum; did you mean --dry-run?", "sync_update --dry-run"),
        (["docker_bash", "--nosuch"], "docker_bash has no option --nosuch", "docker_bash --help"),
        (["docker_bash", "--cmd", "python -V"], "a command stands after -- of docker_cmd", "docker_cmd -- python -V"),
        (["docker_bash", "--dir", "a", "--cmd=ls"], "docker_bash has no option --cmd", "docker_cmd --dir a -- ls"),
        (["docker_bash", "-c", "ls", "a b"], "docker_bash has no option -c", "docker_cmd -- ls 'a b'"),
        (["docker_bash", "-x"], "docker_bash has no option -x", "docker_bash --help"),
        (["docker_bash", "--dir"], "--dir of docker_bash needs a value", "docker_bash --help"),
        (["--dir", "x", "docker_bash"], "--dir stands before its task docker_bash", "docker_bash --dir x"),
        (["--nosuch"], "there is no option --nosuch before a task", "--help invoke"),
        (["docker_bash", "docker_sp"], "did you mean the task docker_ps?", "docker_bash docker_ps"),
        (["run_tests", "-x"], "run_tests has no option -x", "run_tests -- -x"),
        (["docker_cmd", "--stage", "dev", "ls", "-l"], "not take the word 'ls'", "docker_cmd --stage dev -- ls -l"),
        (["docker_bash", "--", "ls", "a b"], "docker_bash takes no words after --: ls 'a b'", "docker_cmd -- ls 'a b'"),
        (["doctor", "--json", "--", "x"], "doctor takes no words after --: x", "doctor --json"),
        (["doctor", "x"], "doctor does not take the word 'x'", "doctor --help"),
        (["docker_rollback", "1.0.0"], "after --dir", "docker_rollback --help"),
        (["dir_create"], "dir_create needs a NAME", "dir_create first_try"),
        (["repo_branch", "--dry-run"], "repo_branch needs a NAME", "repo_branch --dry-run first_try"),
    ],
)
def test_wrong_command_line_is_named_with_a_command_that_works(
    capsys: pytest.CaptureFixture[str], words: list[str], error: str, fix: str
) -> None:
    said, offered = told(capsys, words)
    assert error in said and offered == f"invoke {fix}"
    assert can_be_read(offered)


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("dirs/a", "docker_bash --dir dirs/a"),
        ("a", "docker_bash --dir dirs/a"),
        ("foo", "docker_cmd -- foo"),
    ],
)
def test_word_that_is_left_over_is_a_directory_or_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, fix: str
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "dirs/a")
    monkeypatch.chdir(root)
    said, offered = told(capsys, ["docker_bash", word])
    assert f"docker_bash does not take the word {word!r}" in said and "--dir" in said
    assert offered == f"invoke {fix}" and can_be_read(offered)


def test_error_of_a_checkout_is_printed_once(tmp_path: Path) -> None:
    done = run(tmp_path, ROOT, "docker_biuld")
    assert done.returncode == 2 and done.stderr.count("docker_biuld") == 1 and done.stderr.count("fix: ") == 1
