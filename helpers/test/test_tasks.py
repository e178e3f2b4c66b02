from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from invoke.context import Context

import helpers.tasks
from helpers.errors import DIFFERENT, ConfigError, HelpersError, InfrastructureError, PolicyError, StaleError
from helpers.images import commands, lock
from helpers.tasks import namespace
from helpers.tasks.adapter import helpers_task
from helpers.test.unit_fixtures import add_dir, make_repo
from helpers.thin_env.invoke_script import run

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "helpers" / "tasks").glob("*_tasks.py"))
NAMES = {
    *(
        "docker_bases",
        "docker_bash",
        "docker_build",
        "docker_cmd",
        "docker_images",
        "docker_jupyter",
        "docker_kill",
        "docker_lock",
    ),
    *("cache_clear", "cache_status", "report_merge"),
    *("docker_prune", "docker_ps", "docker_pull"),
    *("docker_promote", "docker_push", "docker_release", "docker_rollback"),
    *("run_fast_tests", "run_slow_tests", "run_superslow_tests", "run_tests", "run_coverage"),
    *("dir_check", "dir_create", "dir_list"),
    *("ci_generate", "devcontainer_build", "devcontainer_generate"),
    *("doctor", "repo_example", "repo_init", "repo_status", "sync_status", "sync_update", "helpers_publish"),
    "repo_branch",
    "repo_foreach",
    "repo_pull",
    "repo_roll_forward",
}


def test_the_tasks_are_exactly_these() -> None:
    assert set(helpers.tasks.namespace.tasks) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_first_line_of_a_task_reads_as_in_a_menu(name: str) -> None:
    line = (helpers.tasks.namespace.tasks[name].__doc__ or "").splitlines()[0]
    assert line.endswith(".") and line[0].isupper(), line


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_option_of_a_task_has_a_help_text(name: str) -> None:
    for argument in helpers.tasks.namespace.tasks[name].get_arguments():
        assert argument.help, f"{name} --{argument.name}"


def test_invoke_lists_them_under_these_names_whatever_the_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "--list"],
        cwd=ROOT,
        env={"PATH": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1", "HELPERS_CACHE": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A first line that is too long for the screen goes on further to the right.
    assert set(re.findall(r"^  (\w+)", done.stdout, re.MULTILINE)) == NAMES
    assert done.stderr == ""


@pytest.mark.parametrize("program", ["main_pytest.py", "tasks.py"])
def test_a_shim_says_in_one_line_that_the_submodule_is_empty(tmp_path: Path, program: str) -> None:
    shutil.copy2(ROOT / program, tmp_path / program)
    (tmp_path / "helpers").mkdir()
    # Without PYTHONPATH, by which our own helpers may be found.
    done = subprocess.run([sys.executable, "-E", program], cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{program}: error: helpers/ is empty; fix: git submodule update --init helpers\n"


def test_who_stops_reading_the_menu_sees_no_traceback() -> None:
    child = "from helpers.thin_env.invoke_script import run\ndef p(): raise BrokenPipeError\nraise SystemExit(run(p))"
    done = subprocess.run([sys.executable, "-c", child], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (6, "")


class ParseError(Exception):
    """Of the same name as invoke's."""


@pytest.mark.parametrize(
    ("caught", "code"), [(ParseError(), 2), (KeyboardInterrupt(), 130), (ValueError(), 1), (None, 0)]
)
def test_how_invoke_ended_is_told_by_the_exit_codes_of_all_commands(caught: BaseException | None, code: int) -> None:
    def program() -> None:
        try:
            if caught:
                raise caught
        except BaseException:
            sys.exit(1)

    try:
        ended: object = run(program)
    except SystemExit as end:
        ended = end.code
    assert ended == code


def test_two_tasks_of_one_name_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from helpers.tasks.adapter import helpers_task\n@helpers_task()\ndef same(_):\n    '''Do it.'''\n"
    for name in ("x_tasks", "y_tasks"):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(helpers.tasks, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(helpers.tasks, "__path__", [str(tmp_path)])
    try:
        with pytest.raises(ConfigError, match="two tasks have the name 'same'") as caught:
            helpers.tasks.collect()
        assert caught.value.where == str(tmp_path / "y_tasks.py")
    finally:
        for name in ("x_tasks", "y_tasks"):
            sys.modules.pop(f"helpers.tasks.{name}", None)


def test_two_tasks_of_one_name_in_one_module_are_an_error() -> None:
    text = "from helpers.tasks.adapter import helpers_task\n" + "@helpers_task()\ndef same(_):\n    'Do it.'\n" * 2
    with pytest.raises(ConfigError, match="two tasks have the name 'same'") as caught:
        exec(compile(text, "x_tasks.py", "exec"), {"__name__": "x_tasks"})
    assert caught.value.where == "x_tasks.py:5"


def statements(function: ast.FunctionDef) -> int:
    """Return how many lines the body of a function has, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_task_is_a_thin_adapter(file: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    assert functions and {item.name: statements(item) for item in functions if statements(item) > 15} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_task_imports_its_use_case_only_when_it_runs(file: Path) -> None:
    imported = {
        name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names])
    }
    assert imported <= {"__future__", "typing", "helpers.tasks.adapter"}


@pytest.mark.parametrize(
    "end, code", [("return 0", 0), ("return None", 0), ("return 5", 5), ("raise", 4), ("interrupt", 130), ("bug", 70)]
)
def test_a_task_ends_in_the_right_exit_code(end: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    from invoke.context import Context

    @helpers_task()
    def it(_: object) -> int | None:
        """Do it."""
        faults = {"raise": PolicyError("no"), "interrupt": KeyboardInterrupt(), "bug": ValueError("x")}
        if end in faults:
            raise faults[end]
        return {"return 0": 0, "return 5": 5}.get(end)

    if code == 0:
        assert it(Context()) is None
    else:
        with pytest.raises(SystemExit) as caught:
            it(Context())
        assert caught.value.code == code
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [{"publish": True, "update": True}, {"due": "3", "update": True}])
def test_two_jobs_of_docker_bases_at_once_are_bad_usage(
    words: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    from invoke.context import Context

    from helpers.tasks.base_tasks import docker_bases

    with pytest.raises(SystemExit) as caught:
        docker_bases(Context(), **words)
    assert caught.value.code == 2
    assert "one of them at a time" in capsys.readouterr().err


@pytest.mark.parametrize(
    "task",
    [
        *("docker_bash", "docker_cmd", "docker_jupyter", "docker_build", "docker_lock", "docker_pull"),
        *("docker_push", "docker_release", "docker_promote", "docker_rollback", "docker_images --sbom"),
        *("run_fast_tests", "run_coverage", "devcontainer_build", "devcontainer_generate", "docker_bases"),
    ],
)
@pytest.mark.parametrize("wrong", ["docs", "", "nope", "a/pyproject.toml", ".."])
def test_wrong_directory_is_refused_by_every_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, wrong: str
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "a")
    add_dir(root, ".")
    (root / "docs").mkdir()
    monkeypatch.chdir(root)
    name, *options = task.split()
    named = {option.removeprefix("--"): True for option in options}
    monkeypatch.setattr(sys, "argv", ["invoke", task, "--", "x"])
    with pytest.raises(SystemExit) as caught:
        namespace.tasks[name](Context(), dir=wrong, **named)
    assert caught.value.code in (2, 5)


def test_check_says_its_one_exit_code_in_each_task() -> None:
    texts = {name: item.help["check"] for name, item in namespace.tasks.items() if "check" in item.help}
    assert set(texts) == {"ci_generate", "devcontainer_generate", "docker_lock", "repo_status", "sync_status"}
    assert {name for name, text in texts.items() if f"exit code {DIFFERENT} " not in text} == set()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (StaleError("stale"), DIFFERENT),
        (PolicyError("yanked"), DIFFERENT),
        (ConfigError("no TOML"), 2),
        (InfrastructureError("no index"), 6),
    ],
)
def test_check_of_locks_tells_a_difference_from_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: HelpersError, code: int
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "a")

    def check(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(lock, "check", check)
    assert commands.lock(str(root / "a"), commands.LockOptions(check=True), everything=False) == code


def test_check_of_locks_names_a_missing_lock_with_the_code_of_a_difference(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "r")
    (add_dir(root, "a") / "poetry.lock").unlink(missing_ok=True)
    assert commands.lock(str(root / "a"), commands.LockOptions(check=True), everything=False) == DIFFERENT
