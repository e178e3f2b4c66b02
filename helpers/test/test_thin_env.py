"""How the thin environment is made, found again and entered; pip is replaced where it is not what is tested."""

from __future__ import annotations

import ast
import fcntl
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from helpers.test.small_checkout import HELPERS, TOP, Checkout, make_checkout
from helpers.thin_env import MARKER, ThinEnvError, bootstrap, install, pip_config
from helpers.thin_env.install import Command

# They make environments with the `python3` of this machine, as a user does before there is any container.
pytestmark = pytest.mark.host

LOG_AND_SLEEP = "import sys, time; open(sys.argv[1], 'a').write('built\\n'); time.sleep(float(sys.argv[2]))"
# What a process of its own does in these tests: make the environment with a stub that takes a while.
ENSURE = """
import sys, os
from pathlib import Path
from helpers.thin_env import bootstrap
from helpers.thin_env.install import Command
requirements, *stub = sys.argv[1:]
command = Command([sys.executable, "-c", *stub], dict(os.environ))
print(bootstrap.ensure_env(Path(requirements), installer=lambda env, file: [command]))
"""


class Stub:
    """An installer that counts its calls and runs one line of Python instead of pip."""

    def __init__(self, code: str = "pass") -> None:
        self.code, self.calls = code, 0

    def __call__(self, env: str, requirements: str) -> list[Command]:
        self.calls += 1
        return [Command([sys.executable, "-c", self.code], dict(os.environ))]


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A requirements file, with the cache beside it."""
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "requirements.txt"
    path.write_text("# nothing\n")
    return path


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small checkout whose environment is made already."""
    checkout = make_checkout(tmp_path_factory.mktemp("warm"))
    done = checkout.run(sys.executable, "helpers/thin_env/bootstrap.py")
    assert done.returncode == 0, done.stderr
    return checkout


def in_the_making(requirements: Path) -> list[Path]:
    return [path for path in (requirements.parent / "cache" / "envs").glob("*") if not path.is_symlink()]


def start_ensure(requirements: Path, seconds: float) -> subprocess.Popen[str]:
    log = requirements.with_name("log")
    argv = [sys.executable, "-c", ENSURE, str(requirements), LOG_AND_SLEEP, str(log), str(seconds)]
    environ = {**os.environ, "PYTHONPATH": str(HELPERS.parent)}
    return subprocess.Popen(argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HELPERS_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/helpers"),
        ({"HELPERS_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/helpers"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: str
) -> None:
    for name in ("HELPERS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert bootstrap.cache_dir() == Path(expected)


def test_an_environment_is_made_once_and_then_found(requirements: Path) -> None:
    stub = Stub()
    env = bootstrap.ensure_env(requirements, installer=stub)
    assert bootstrap.ensure_env(requirements, installer=stub) == env
    assert stub.calls == 1
    asked = [str(env / "bin" / "python"), "-c", "import sys; print(sys.prefix)"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == str(env)


def test_other_requirements_get_another_environment(requirements: Path) -> None:
    env = bootstrap.ensure_env(requirements, installer=Stub())
    requirements.write_text("# something else\n")
    assert bootstrap.ensure_env(requirements, installer=Stub()) != env


@pytest.mark.parametrize("as_link", [False, True])
def test_a_half_made_environment_is_not_believed(requirements: Path, as_link: bool) -> None:
    env = Path(bootstrap.env_path(str(requirements)))
    half = env.with_name(f"{env.name}.killed")
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "python").symlink_to(sys.executable)
    if as_link:
        env.symlink_to(half.name)
    else:
        shutil.copytree(half, env, symlinks=True)
    stub = Stub()
    assert bootstrap.ensure_env(requirements, installer=stub) == env
    assert stub.calls == 1 and (env / MARKER).read_text() == "# nothing\n"
    assert in_the_making(requirements) == [env.resolve()]


def test_a_failed_installation_leaves_nothing_and_shows_the_last_lines(requirements: Path) -> None:
    stub = Stub("print('first'); print('no route to host\\n' * 6, end=''); raise SystemExit(7)")
    with pytest.raises(ThinEnvError, match="no route to host") as caught:
        bootstrap.ensure_env(requirements, installer=stub)
    assert caught.value.exit_code == 6
    assert "exit code 7" in str(caught.value) and "\n    first" not in str(caught.value)
    assert in_the_making(requirements) == []


def test_a_disk_without_room_is_one_error_and_leaves_nothing(
    requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(link: str, path: str) -> None:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(venv.EnvBuilder, "create", lambda self, path: None)
    monkeypatch.setattr(os, "symlink", full)
    with pytest.raises(ThinEnvError, match="No space left on device; fix: make room") as caught:
        bootstrap.ensure_env(requirements, installer=Stub())
    assert caught.value.exit_code == 6
    assert in_the_making(requirements) == []


@pytest.mark.parametrize(
    "said", ["OSError: [Errno 28] No space left on device", "E: Disk quota exceeded (os error 122)"]
)
def test_a_disk_that_gets_full_under_pip_is_one_line_that_names_the_places(requirements: Path, said: str) -> None:
    stub = Stub(f"print('Traceback (most recent call last):\\n  File'); print({said!r}); raise SystemExit(1)")
    with pytest.raises(ThinEnvError) as caught:
        bootstrap.ensure_env(requirements, installer=stub)
    text = str(caught.value)
    assert "\n" not in text and "Traceback" not in text and caught.value.exit_code == 6
    assert re.search(rf"{re.escape(os.environ['HELPERS_CACHE'])} has \d+ MB, .*; fix: make room", text)


def test_of_a_traceback_only_its_last_words_are_shown(requirements: Path) -> None:
    stub = Stub("print('pip said this'); raise ValueError('no such luck')")
    with pytest.raises(ThinEnvError) as caught:
        bootstrap.ensure_env(requirements, installer=stub)
    shown = [line for line in str(caught.value).splitlines() if line.startswith("    ")]
    assert sorted(shown) == ["    ValueError: no such luck", "    pip said this"]


def test_a_cache_that_cannot_be_written_names_the_variable(requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERS_CACHE", str(requirements / "below a file"))
    with pytest.raises(ThinEnvError, match=r"below a file.*Not a directory; fix: .*HELPERS_CACHE"):
        bootstrap.ensure_env(requirements, installer=Stub())


def test_processes_that_start_at_once_make_one_environment(requirements: Path) -> None:
    processes = [start_ensure(requirements, 0.5) for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert {out.strip() for out, _ in ends} == {bootstrap.env_path(str(requirements))}, ends
    assert requirements.with_name("log").read_text() == "built\n"
    assert len(in_the_making(requirements)) == 1


def test_after_a_killed_build_the_next_one_waits_for_its_child_and_cleans_up(requirements: Path) -> None:
    process, log = start_ensure(requirements, 1.5), requirements.with_name("log")
    while not log.exists():
        time.sleep(0.02)
    started = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    env = bootstrap.ensure_env(requirements, installer=Stub())
    assert time.monotonic() - started > 0.5
    assert in_the_making(requirements) == [env.resolve()]


def test_a_held_lock_is_named_and_not_waited_for_without_end(
    requirements: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "SAY_AFTER", 0.1)
    monkeypatch.setattr(install, "GIVE_UP_AFTER", 0.5)
    lock = requirements.parent / "cache" / "locks" / f"{Path(bootstrap.env_path(str(requirements))).name}.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        file.write("process 4711\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ThinEnvError, match="in vain for process 4711") as caught:
            bootstrap.ensure_env(requirements, installer=Stub())
    assert caught.value.exit_code == 9
    said = capsys.readouterr().err
    assert said.startswith("helpers: waiting for process 4711, which holds") and said.count("\n") == 1


@pytest.mark.parametrize(("modules", "expected"), [({"ensurepip", "pip"}, "-I"), ({"pip"}, "--python"), (set(), None)])
def test_pip_is_the_environments_own_or_the_systems_or_an_error(
    monkeypatch: pytest.MonkeyPatch, modules: set[str], expected: str | None
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in modules else None)
    if expected is None:
        with pytest.raises(ThinEnvError, match="apt-get install python3-venv"):
            install.pip_installer("/env", "pins.txt")
        return
    *_, last = install.pip_installer("/env", "pins.txt")
    assert expected in last.argv and "--require-hashes" in last.argv
    assert last.argv[0] == ("/env/bin/python" if expected == "-I" else sys.executable)


@pytest.mark.slow
def test_the_systems_pip_fills_an_environment_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = make_checkout(tmp_path)
    for name, value in checkout.environ.items():
        monkeypatch.setenv(name, value)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    env = bootstrap.ensure_env(checkout.root / "helpers" / "thin_env" / "requirements.txt")
    assert (env / "path" / "invoke").resolve().exists() and not (env / "bin" / "pip").exists()


def test_uv_is_told_what_pip_is_told() -> None:
    listing = (
        ":env:.cert='/ca.pem'\nglobal.cert='/old.pem'\nglobal.index-url='https://one/simple'\n"
        "install.index-url='https://two/simple'\nglobal.extra-index-url='file:///disk\\nhttps://three/simple'\n"
        "global.find-links='/wheels /more'\nglobal.no-index='false'\nfreeze.timeout='3'\nglobal.proxy='http://p:1'\n"
    )
    assert pip_config.uv_environ({"HOME": "/h"}, pip_config.parse(listing)) == {
        "HOME": "/h",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_DEFAULT_INDEX": "https://two/simple",
        "UV_INDEX": "https://three/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "ALL_PROXY": "http://p:1",
    }


def test_a_uv_setting_of_the_user_wins() -> None:
    environ = {"UV_DEFAULT_INDEX": "https://mine", "SSL_CERT_FILE": "/mine", "REQUESTS_CA_BUNDLE": "/other"}
    assert pip_config.uv_environ(environ, {"index-url": "https://theirs", "cert": "/theirs"}) == environ
    strategy = {"UV_INDEX_STRATEGY": "first-index"}
    found = pip_config.uv_environ(strategy, {"extra-index-url": "https://more"})
    assert found == {"UV_INDEX": "https://more", **strategy}


@pytest.mark.slow
def test_the_tool_environment_has_a_poetry_that_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    env = bootstrap.ensure_tool_env(HELPERS / "thin_env" / "poetry.txt")
    done = subprocess.run([env / "bin" / "poetry", "export", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--with" in done.stdout, done.stderr


def test_main_pytest_goes_on_inside_with_the_same_process_and_exit_code(warm: Checkout) -> None:
    script = 'echo $$; exec "$0" main_pytest.py --dir "two words"'
    done = warm.run("sh", "-c", script, sys.executable)
    pid, line = done.stdout.splitlines()
    assert done.returncode == 3, done.stderr
    assert line == f"cli {pid} {warm.envs()[0].resolve()} ['--dir', 'two words']"


@pytest.mark.parametrize("name", ["memo", "headstart", "cli"])
def test_a_ctrl_c_while_something_is_imported_is_one_line(warm: Checkout, name: str) -> None:
    file = warm.root / "helpers" / "driver" / f"{name}.py"
    before = file.read_text()
    file.write_text("raise KeyboardInterrupt\n")
    try:
        done = warm.run(sys.executable, "main_pytest.py")
    finally:
        file.write_text(before)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "helpers: interrupted\n")


@pytest.mark.parametrize("variable", ["PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE"])
def test_main_pytest_works_by_a_link_from_elsewhere_and_keeps_the_checkout_clean(
    warm: Checkout, tmp_path: Path, variable: str
) -> None:
    link = tmp_path / "link"
    link.symlink_to(warm.root / "main_pytest.py")
    for _ in range(2):
        assert warm.run(sys.executable, link, cwd=tmp_path, **{variable: "1"}).returncode == 3
    compiled = {path.name.split(".")[0] for path in (warm.cache / "pycache").rglob("*.pyc")}
    assert {"cli", "bootstrap"} <= compiled


def test_the_launcher_finds_the_checkout_around_the_current_directory(warm: Checkout, tmp_path: Path) -> None:
    launcher = warm.envs()[0] / "path" / "main_pytest.py"
    below = warm.root / "helpers" / "driver"
    assert warm.run("sh", launcher, cwd=below).returncode == 3
    done = warm.run("sh", launcher, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "fix: cd into a checkout" in done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["dir_create", "--help"], ["--help", "dir_create"]),
        (["dir_create", "-h", "x"], ["--help", "dir_create"]),
        (["dir_create", "x", "--help"], ["dir_create", "x", "--help"]),
        (["--help", "dir_create"], ["--help", "dir_create"]),
        (["run_tests", "--args=--help"], ["run_tests", "--args=--help"]),
        ([], ["--list"]),
        (["--help"], ["--list"]),
        (["--help", "invoke"], ["--help"]),
    ],
)
def test_help_is_asked_before_or_after_a_task(warm: Checkout, given: list[str], told: list[str]) -> None:
    done = warm.run(warm.envs()[0] / "path" / "invoke", *given, cwd=warm.root / "helpers")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"stub {['--search-root', str(warm.root), *told]}\n", "")


@pytest.mark.parametrize("given", [[], ["-l"], ["docker_bash"], ["--help", "docker_bash"]])
def test_invoke_outside_a_checkout_says_so_in_one_line(warm: Checkout, tmp_path: Path, given: list[str]) -> None:
    done = warm.run(warm.envs()[0] / "path" / "invoke", *given, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert str(tmp_path) in done.stderr and "fix: cd into a checkout" in done.stderr


@pytest.mark.parametrize(
    ("given", "environ"),
    [(["--help"], {}), (["--version"], {}), (["-r", "x", "y"], {}), (["y"], {"INVOKE_TASKS_SEARCH_ROOT": "x"})],
)
def test_what_invoke_can_do_outside_a_checkout_is_left_to_it(
    warm: Checkout, tmp_path: Path, given: list[str], environ: dict[str, str]
) -> None:
    done = warm.run(warm.envs()[0] / "path" / "invoke", *given, cwd=tmp_path, **environ)
    assert (done.returncode, done.stdout) == (0, f"stub {given}\n")


def test_the_whole_repo_as_the_helpers_directory_works_too(warm: Checkout, tmp_path: Path) -> None:
    shutil.copytree(warm.root, tmp_path / "helpers")
    for name in ("main_pytest.py", "tasks.py"):
        shutil.copy(warm.root / name, tmp_path)
    assert warm.run(sys.executable, "main_pytest.py", cwd=tmp_path).returncode == 3


def test_an_environment_that_lies_about_its_packages_ends_in_an_error_and_not_in_a_loop(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    place = "from helpers.thin_env import bootstrap as b; env = b.env_path(b.REQUIREMENTS); "
    make = "import venv; venv.create(env); open(env + '/installed.txt', 'w').write('other')"
    assert checkout.run(sys.executable, "-c", place + make).returncode == 0
    done = checkout.run(sys.executable, "main_pytest.py")
    assert (done.returncode, done.stderr.count("\n")) == (6, 1)
    assert "with other packages; fix: rm" in done.stderr


@pytest.mark.parametrize("name", ["main_pytest.py", "tasks.py"])
def test_the_shims_are_short_and_an_old_python_can_parse_them(name: str) -> None:
    text = (TOP / name).read_text()
    assert len(text.splitlines()) <= 10
    ast.parse(text, feature_version=(3, 4))


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.9"])
def test_an_old_python_gets_one_line(version: str) -> None:
    # A version manager's own directories first: its entry on PATH may refuse a version that is not switched on.
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = next(versions.glob(f"{version}.*/bin/python"), shutil.which(f"python{version}"))
    if not found:
        pytest.skip(f"no Python {version} on this machine")
    done = subprocess.run([str(found), TOP / "main_pytest.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"main_pytest\.py: error: needs Python 3\.10 or newer; fix: .*\n", done.stderr)


@pytest.mark.parametrize("name", ["requirements", "poetry", "report"])
def test_every_pin_has_hashes_and_the_file_names_no_index(name: str) -> None:
    text = (HELPERS / "thin_env" / f"{name}.txt").read_text()
    pins = re.findall(r"^[a-z0-9.-]+==.*?(?=^[a-z]|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    wanted = (HELPERS / "thin_env" / f"{name}.in").read_text().split("\n")
    assert {re.split("[;<]", line)[0] for line in wanted if line} <= {pin.split("==")[0] for pin in pins}
    assert all("--hash=sha256:" in pin for pin in pins) and "://" not in text and "-index" not in text
