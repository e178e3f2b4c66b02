"""`dir_create`, `dir_check` and `dir_list` on real git repos; only the lock, which needs the network, is made up."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import config, discover
from helpers.dirs import adopt, check, create, listing, metadata, names, project_text, testfiles, wanted
from helpers.errors import ConfigError, HelpersError, InfrastructureError, UsageError
from helpers.model import base_lock, system_lock
from helpers.model.base_lock import BaseLock
from helpers.model.system_lock import SystemLock

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow

TOP = Path(__file__).resolve().parents[2]
LOCK = '[[package]]\nname = "pytest"\nversion = "8.0.0"\n\n[metadata]\nlock-version = "2.1"\n'
GOOD = """\
[project]
name = "NAME"
requires-python = ">=3.11,<3.12"
dynamic = ["version"]

[tool.poetry]
package-mode = false

[tool.helpers]
base = "archive:bookworm"
"""


def make_lock(path: Path) -> bool:
    (path / "poetry.lock").write_text(LOCK)
    return True


def agreed(path: Path) -> Path:
    return path / "poetry.lock"


def recorded(path: Path) -> str:
    (path / base_lock.PATH).write_text(
        str(BaseLock("image:python:3.12-slim-bookworm", "python:3.12-slim-bookworm", f"sha256:{'1' * 64}", TODAY))
    )
    return "recorded"


def no_registry(path: Path) -> str:
    raise InfrastructureError("no registry answers")


TODAY = datetime.date(2026, 11, 21)
DOORS = create.Doors(lock=make_lock, requirements=agreed, record=recorded)


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "a repo"
    (path / "runnable_dirs").mkdir(parents=True)
    git(path, "init", "--quiet")
    return path


def sound(root: Path, name: str, settings: str = "") -> Path:
    """A runnable dir with nothing wrong in it."""
    path = root / name
    for file, text in {
        "devops/.gitkeep": "",
        "changelog.txt": f"# {path.name}-0.1.0\n- 2024-05-06\n- first version\n",
        "pyproject.toml": GOOD.replace("NAME", path.name) + settings,
        "poetry.lock": LOCK,
        "test/test_it.py": "def test_it():\n    assert True\n",
    }.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)
    return path


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def new(root: Path, name: str, **options: str) -> int:
    return create.main(name, cwd=root, doors=DOORS, **options)


def findings(root: Path, path: Path) -> list[str]:
    return [finding.text(path) for finding in check.check(root, path, agreed)]


# --- dir_create ---


def test_a_new_runnable_dir_is_whole_and_checked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(root, "Sales-Forecast") == 0
    path = root / "runnable_dirs" / "Sales-Forecast"
    assert sorted(tree(path)) == [
        "README.md",
        "changelog.txt",
        "devops/.gitkeep",
        "poetry.lock",
        "pyproject.toml",
        "sales_forecast/__init__.py",
        "sales_forecast/words.py",
        "test/test_sales_forecast.py",
    ]
    assert re.fullmatch(r"# sales-forecast-0\.1\.0\n- \d{4}-\d\d-\d\d\n- .+\n", (path / "changelog.txt").read_text())
    project = project_text.parse((path / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11,<3.12"
    assert project["tool"]["helpers"] == {"base": "archive:bookworm"}
    assert "main_pytest.py --dir runnable_dirs/Sales-Forecast" in capsys.readouterr().out
    assert os.listdir(root / "runnable_dirs") == ["Sales-Forecast"], "nothing half-made stays beside it"
    assert path.stat().st_mode & 0o777 == (root / "runnable_dirs").stat().st_mode & 0o777


def test_the_tests_of_a_new_runnable_dir_pass_and_can_fail(root: Path) -> None:
    new(root, "forecast")
    path = root / "runnable_dirs" / "forecast"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", "test"]
    env = {**os.environ, "PYTHONPATH": str(path)}
    assert subprocess.run(argv, cwd=path, env=env, capture_output=True).returncode == 0
    code = path / "forecast" / "words.py"
    code.write_text(code.read_text().replace(".lower()", ""))
    assert subprocess.run(argv, cwd=path, env=env, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("base", "python", "expected"),
    [
        ("archive:trixie", "", ">=3.13,<3.14"),
        ("image:python:3.12-slim-bookworm", "3.12", ">=3.12,<3.13"),
        ("", "3.11", ">=3.11,<3.12"),
    ],
)
def test_the_python_follows_the_base_unless_named(root: Path, base: str, python: str, expected: str) -> None:
    assert new(root, "forecast", base=base, python=python) == 0
    text = (root / "runnable_dirs" / "forecast" / "pyproject.toml").read_text()
    assert f'requires-python = "{expected}"' in text


def test_a_new_directory_whose_base_can_not_be_recorded_is_told_how(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doors = create.Doors(lock=make_lock, requirements=agreed, record=no_registry)
    assert create.main("forecast", base="image:python:3.12", python="3.12", cwd=root, doors=doors) == 2
    captured = capsys.readouterr()
    assert "no registry answers" in captured.err
    assert "fix: invoke docker_bases --update --dir" in captured.out


@pytest.mark.parametrize(
    "options",
    [{"python": "3.13"}, {"python": "2.7"}, {"python": "3.x"}, {"base": "bookworm"}, {"base": "archive:$(x)"}],
)
def test_a_base_or_python_that_can_not_be_is_refused(root: Path, options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        new(root, "forecast", **options)
    assert os.listdir(root / "runnable_dirs") == []


HOSTILE = [
    ("", "empty"),
    ("--help", "invoke --help dir_create"),
    (" ", "empty"),
    (".", "name of an image"),
    ("..", "'..'"),
    ("../x", "'..'"),
    ("runnable_dirs/../../x", "'..'"),
    ("/tmp/out-of-the-repo", "out of the repo"),
    ("a b", "a-b"),
    ("$(touch PWNED)", "touch-pwned"),
    ("`id`", "id"),
    ("-rf", "looks like an option"),
    ("a\nb", "a-b"),
    ("a\x1b[31mb", "a-31mb"),
    ("a\0b", "empty"),
    ("café", "cafe"),
    ("模型", "forecast"),
    ("\u212aelvin", "kelvin"),
    (".hidden", "hidden"),
    ("a:b", "a-b"),
    ("a;b", "a-b"),
    ("x" * 101, "101 characters"),
    ("pytest", "my-pytest"),
    ("json", "my-json"),
    ("test", "my-test"),
    ("class", "my-class"),
    ("3d", "my-3d"),
    ("bad parent/forecast", "bad-parent"),
    ("-x/forecast", "looks like an option"),
    ("link/forecast", "out of the repo"),
    ("file/forecast", "is a file"),
    ("other/forecast", "another repo"),
]


@pytest.mark.parametrize(("name", "says"), HOSTILE, ids=[repr(name)[:20] for name, _ in HOSTILE])
def test_a_name_that_is_no_good_is_refused_with_the_reason(root: Path, name: str, says: str) -> None:
    (root / "link").symlink_to(root.parent)
    (root / "file").touch()
    (root / "other").mkdir()
    git(root / "other", "init", "--quiet")
    before = sorted(root.rglob("*")), sorted(root.parent.iterdir())
    with pytest.raises(UsageError) as caught:
        new(root, name)
    assert says in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (sorted(root.rglob("*")), sorted(root.parent.iterdir())) == before


@pytest.mark.parametrize(
    ("name", "cwd", "expected"),
    [
        ("forecast", ".", "runnable_dirs/forecast"),
        ("./forecast", ".", "forecast"),
        ("models/forecast", ".", "models/forecast"),
        ("forecast/", "runnable_dirs", "runnable_dirs/forecast"),
        ("a_b.c-d", "runnable_dirs", "runnable_dirs/a_b.c-d"),
    ],
)
def test_where_a_name_leads(root: Path, name: str, cwd: str, expected: str) -> None:
    assert names.place(root, root / cwd, name) == root / expected


def test_what_exists_is_not_overwritten(root: Path) -> None:
    sound(root, "runnable_dirs/forecast")
    (root / "runnable_dirs" / "notes").mkdir()
    (root / "runnable_dirs" / "notes" / "mine.txt").write_text("mine")
    (root / "runnable_dirs" / "afile").write_text("mine")
    before = tree(root / "runnable_dirs")
    for name in ("forecast", "notes", "afile"):
        with pytest.raises(UsageError, match="already"):
            new(root, name)
    assert tree(root / "runnable_dirs") == before


def test_an_image_name_is_not_given_twice(root: Path) -> None:
    sound(root, "elsewhere/forecast")
    with pytest.raises(UsageError, match="elsewhere/forecast"):
        new(root, "runnable_dirs/forecast")


@pytest.mark.parametrize("fault", [ConfigError("no solution"), KeyboardInterrupt(), OSError(28, "disk full")])
def test_a_failing_lock_leaves_nothing_half_made(root: Path, fault: BaseException) -> None:
    def failing(path: Path) -> bool:
        raise fault

    with pytest.raises(type(fault)):
        create.main("new/parent/forecast", cwd=root, doors=create.Doors(failing, agreed))
    assert sorted(path.name for path in root.iterdir()) == [".git", "runnable_dirs"]


def test_nobody_finds_a_directory_that_is_being_made(root: Path) -> None:
    seen: list[list[Path]] = []

    def looking(path: Path) -> bool:
        seen.append(discover.runnable_paths(root))
        return make_lock(path)

    create.main("forecast", cwd=root, doors=create.Doors(looking, agreed))
    assert seen == [[]]


def test_sigterm_leaves_nothing_half_made(root: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from helpers.dirs import create\n"
        "def lock(path): print('locking', flush=True); time.sleep(60)\n"
        f"create.main('forecast', cwd=Path({str(root)!r}), doors=create.Doors(lock))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], cwd=TOP, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "locking\n"
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == 143
    child.stdout.close()
    assert os.listdir(root / "runnable_dirs") == []


# --- dir_create --from ---

INFO = "Metadata-Version: 2.1\nName: Old.Tool\nVersion: 1.2\nRequires-Python: >=3.9\nRequires-Dist: attrs>=20\n"
INFO += (
    "Requires-Dist: nose; extra == 'test'\nRequires-Dist: mock; python_version < '3.3' and extra == \"test\"\n\nText\n"
)


def project(root: Path, files: dict[str, str]) -> Path:
    path = root.parent / "unpacked-1.2"
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def adopted(root: Path, files: dict[str, str]) -> Path:
    files = {"tests/test_it.py": "def test_it():\n    assert True\n", **files}
    source = project(root, files)
    before = tree(source)
    assert new(root, "tool", source=str(source)) == 0
    assert tree(source) == before, "the project itself stays as it was"
    return root / "runnable_dirs" / "tool"


def toml(path: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    return project_text.parse((path / "pyproject.toml").read_text())


def test_a_project_keeps_its_pyproject_and_gets_what_is_missing(root: Path) -> None:
    text = '# mine\n[project]\nname = "tool"\nrequires-python = ">=3.9"\ndynamic = ["version"]  # a comment\n'
    text += 'optional-dependencies.tests = ["hypothesis>=6", "tool[http]"]\noptional-dependencies.http = ["h11"]\n'
    path = adopted(root, {"pyproject.toml": text, ".git/config": "x", ".gitignore": "*.mo\n", "a.mo": "1"})
    assert (path / "pyproject.toml").read_text().startswith(text)
    found = toml(path)
    assert found["dependency-groups"] == {"test": ["hypothesis>=6", "h11", "pytest"]}
    assert found["tool"] == {
        "poetry": {"package-mode": False},
        "helpers": {"base": "archive:bookworm", "tests": ["tests"]},
    }
    assert not (path / ".git").exists()
    assert (path / "a.mo").exists()
    assert (path / "changelog.txt").read_text().startswith("# tool-0.1.0\n")


def test_tables_that_are_there_are_extended_in_place(root: Path) -> None:
    text = '[project]\nname = "tool"\n[tool.poetry]\nrequires-poetry = ">=2"\n[dependency-groups]\ndev = ["mock"]\n'
    found = toml(adopted(root, {"pyproject.toml": text, "PKG-INFO": INFO}))
    assert found["tool"]["poetry"] == {"package-mode": False, "requires-poetry": ">=2", "version": "1.2"}
    assert found["dependency-groups"] == {"dev": ["mock"], "pytest": ["pytest"]}
    assert found["project"]["requires-python"] == ">=3.9"


def test_a_project_without_pyproject_is_described_by_its_metadata(root: Path) -> None:
    path = adopted(root, {"setup.py": "raise SystemExit('never run')\n", "PKG-INFO": INFO})
    found = toml(path)
    assert found["project"] == {
        "name": "Old.Tool",
        "version": "1.2",
        "requires-python": ">=3.9",
        "dependencies": ["attrs>=20"],
    }
    assert found["dependency-groups"] == {"test": ["nose", "mock ; python_version < '3.3'", "pytest"]}
    assert (path / "old_tool-1.2.dist-info" / "METADATA").read_text() == INFO


def test_a_pyproject_that_can_not_be_extended_is_kept_beside_a_new_one(root: Path) -> None:
    text = '[project]\nname = "tool"\ndynamic = ["version", "dependencies"]\n\n[tool.pytest.ini_options]\n'
    text += 'addopts = "-ra"\ntestpaths = ["checks"]\n'
    files = {"pyproject.toml": text, "PKG-INFO": INFO, "checks/test_a.py": "def test_a(): pass\n"}
    path = adopted(root, files)
    assert (path / "pyproject.original.toml").read_text() == text
    found = toml(path)
    assert found["project"]["dependencies"] == ["attrs>=20"]
    assert found["tool"]["pytest"] == {"ini_options": {"addopts": "-ra", "testpaths": ["checks"]}}
    assert found["tool"]["helpers"]["tests"] == ["checks"]


@pytest.mark.parametrize("said", [">=2.7, !=3.0.*", ">=3", ">= 3.6"])
def test_a_python_too_old_for_any_lock_is_replaced_and_told(
    root: Path, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f'[project]\nname = "tool"\nrequires-python = "{said}"\n'
    assert toml(adopted(root, {"pyproject.toml": text}))["project"]["requires-python"] == ">=3.11,<3.12"
    assert f"a lock for {said} would" in capsys.readouterr().err
    assert not any(adopt.is_old(fine) for fine in (">=3.7", ">=3.10", "~=3.11", ""))


def test_tables_in_an_unusual_form_are_not_broken(root: Path) -> None:
    text = '[project]\nname = "tool"\nrequires-python = ">=3.9"\n[tool]\npoetry = { requires-poetry = ">=2" }\n'
    path = adopted(root, {"pyproject.toml": text})
    assert (path / "pyproject.original.toml").read_text() == text
    assert toml(path)["project"]["name"] == "tool"


def test_versions_are_given_up_only_when_poetry_refuses_and_never_silently(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def picky(path: Path) -> bool:
        text = (path / "pyproject.toml").read_text()
        assert config.read_pyproject(path) == project_text.parse(text), "an older attempt is remembered"
        if "==1.0" in text:
            raise ConfigError("pytest 1.0 does not exist")
        return make_lock(path)

    text = '[project]\nname = "tool"\nrequires-python = ">=3.9"\n'
    files = {
        "pyproject.toml": text,
        "requirements-test.txt": "pytest==1.0 # old\n-r more.txt\n",
        "more.txt": "mock==1.0",
    }
    source = project(root, {**files, "test/test_a.py": "def test_a(): pass\n"})
    assert create.main("tool", source=str(source), cwd=root, doors=create.Doors(picky, agreed)) == 0
    assert toml(root / "runnable_dirs" / "tool")["dependency-groups"]["test"] == ["pytest", "mock"]
    said = capsys.readouterr().err
    assert "WITHOUT the versions" in said
    assert "pytest 1.0 does not exist" in said


def test_a_project_that_its_own_test_tools_need_gets_another_name(root: Path) -> None:
    def lock(path: Path) -> bool:
        (path / "poetry.lock").write_text(LOCK + '[[package]]\nname = "x"\n[package.dependencies]\nMy_Tool = ">=1"\n')
        return True

    text = '[project]\nname = "my-tool"\nrequires-python = ">=3.9"\n'
    source = project(root, {"pyproject.toml": text, "tests/test_a.py": "def test_a(): pass\n"})
    assert create.main("tool", source=str(source), cwd=root, doors=create.Doors(lock, agreed)) == 0
    path = root / "runnable_dirs" / "tool"
    assert toml(path)["project"]["name"] == "my-tool-checkout"
    (path / "pyproject.toml").write_text((path / "pyproject.toml").read_text().replace("my-tool-checkout", "my-tool"))
    config.read_pyproject.cache_clear()
    assert [text for text in findings(root, path) if "'my-tool'" in text]


def test_a_project_becomes_a_runnable_dir_where_it_is(root: Path) -> None:
    path = root / "runnable_dirs" / "tool"
    path.mkdir()
    (path / "pyproject.toml").write_text('[project]\nname = "tool"\nrequires-python = ">=3.9"\n')
    (path / "test").mkdir()
    (path / "test" / "test_a.py").write_text("def test_a(): pass\n")
    (path / "changelog.txt").write_text("1.0 first\n")
    assert new(root, "tool", source="runnable_dirs/tool") == 0
    assert (path / "changelog.original.txt").read_text() == "1.0 first\n"
    assert (path / "test" / "test_a.py").exists()
    assert os.listdir(root / "runnable_dirs") == ["tool"]


def test_a_source_that_is_no_project_is_refused(root: Path) -> None:
    (root.parent / "empty").mkdir()
    (root.parent / "tool.tar.gz").touch()
    for source, says in (("../empty", "not a Python project"), ("../none", "not a directory"), (".", "holds the new")):
        with pytest.raises(UsageError, match=says):
            new(root, "tool", source=source)
    with pytest.raises(UsageError, match="unpack it first"):
        new(root, "tool", source="../tool.tar.gz")


def test_importlib_finds_the_version_and_the_entry_points(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "PKG-INFO").write_text(INFO)
    said = metadata.read(tmp_path)
    folder = metadata.install(tmp_path, said, {"scripts": {"tool": "tool:main"}})
    assert folder == tmp_path / "src" / "old_tool-1.2.dist-info"
    script = "from importlib.metadata import *; print(version('old-tool'), *distribution('old-tool').entry_points)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    out = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert out.startswith("1.2 EntryPoint(name='tool'")
    assert metadata.install(tmp_path, said, {}) is None, "a second one would hide the first"


def test_requirements_of_groups_include_one_another_without_end(tmp_path: Path) -> None:
    groups = {"test": ["a", {"include-group": "more"}], "more": ["b", {"include-group": "test"}]}
    found = wanted.find(tmp_path, {"dependency-groups": groups}, metadata.Metadata())
    assert found.requirements == ("a", "b")
    assert found.group == "test"


def test_relaxed_requirements_keep_extras_and_markers() -> None:
    assert wanted.relaxed(["a[x,y]==1 ; python_version < '3'", "b>=2,<3", "c"]) == [
        "a[x,y] ; python_version < '3'",
        "b",
        "c",
    ]


@pytest.mark.parametrize("name", ["pytest.ini", "tox.ini", "setup.cfg"])
def test_testpaths_are_read_from_every_file_that_pytest_reads(tmp_path: Path, name: str) -> None:
    section = "tool:pytest" if name == "setup.cfg" else "pytest"
    (tmp_path / name).write_text(f"[{section}]\ntestpaths = checks more\n")
    assert testfiles.words(testfiles.pytest_settings(tmp_path)["testpaths"]) == ["checks", "more"]


def test_the_project_is_read_before_anything_is_made(root: Path) -> None:
    source = project(root, {"pyproject.toml": "not = = toml", "tests/test_a.py": ""})
    with pytest.raises(ConfigError, match="not TOML"):
        new(root, "tool", source=str(source))
    assert os.listdir(root / "runnable_dirs") == []
    assert adopt.read(project(root, {"pyproject.toml": "", "setup.py": ""})).tests == ("tests",)


# --- dir_check ---


def test_a_sound_directory_has_no_finding(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sound(root, "runnable_dirs/forecast")
    assert check.main(directory="", every=False, cwd=path / "test", requirements=agreed) == 0
    assert capsys.readouterr().out == "nothing wrong with runnable_dirs/forecast\n"


def test_system_packages_that_nobody_locked_are_a_note_and_no_fault(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sound(root, "runnable_dirs/forecast")
    settings('system_packages = ["graphviz"]')(path)
    assert check.main(directory="", every=False, cwd=path, requirements=agreed) == 0
    assert "note: .: no devops/system-packages.lock" in capsys.readouterr().err
    lock = SystemLock("archive:bookworm", ("graphviz",))
    (path / system_lock.NAME).write_text(lock.text())
    assert check.main(directory="", every=False, cwd=path, requirements=agreed) == 0
    assert capsys.readouterr().err == ""
    (path / system_lock.NAME).write_text(lock.text().replace("graphviz", "gcc"))
    assert findings(root, path)[0].startswith("devops/system-packages.lock:1: is not the lock of system_packages")


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        text = (path / file).read_text()
        assert old in text
        (path / file).write_text(text.replace(old, new))

    return act


def settings(line: str) -> Callable[[Path], None]:
    return replace("pyproject.toml", 'base = "archive:bookworm"\n', f'base = "archive:bookworm"\n{line}\n')


def unlink(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no devops", lambda path: shutil.rmtree(path / "devops"), r"devops:1: is missing"),
    ("no changelog", unlink("changelog.txt"), r"changelog\.txt:1: is missing"),
    ("no pyproject", unlink("pyproject.toml"), r"pyproject\.toml:1: is missing"),
    ("no lock", unlink("poetry.lock"), r"poetry\.lock:1: is missing; fix: invoke docker_lock"),
    ("date", replace("changelog.txt", "2024-05-06", "06.05.2024"), r"changelog\.txt:2: expected a date"),
    ("version", replace("changelog.txt", "0.1.0", "0.1"), r"changelog\.txt:1: '0\.1' is not a version"),
    ("toml", replace("pyproject.toml", "[project]", "[project"), r"pyproject\.toml:1: is not TOML"),
    ("name", replace("pyproject.toml", 'name = "forecast"\n', ""), r"pyproject\.toml:1: \[project\] has no name"),
    (
        "no python",
        replace("pyproject.toml", 'requires-python = ">=3.11,<3.12"\n', ""),
        r":1: \[project\] has no requires",
    ),
    (
        "python",
        replace("pyproject.toml", ">=3.11,<3.12", ">=3.13"),
        r"pyproject\.toml:3: .*does not allow Python 3\.11",
    ),
    ("old python", replace("pyproject.toml", ">=3.11,<3.12", ">=3.9,<3.11"), r"toml:3: .*does not allow Python 3\.11"),
    ("package", replace("pyproject.toml", "= false", "= true"), r"pyproject\.toml:7: .*package-mode is not false"),
    ("unknown", settings("sytem_packages = []"), r"toml:11: .*'sytem_packages'; fix: did you mean 'system_packages'"),
    ("type", settings('pids = "many"'), r"pyproject\.toml:11: .*pids must be a whole number"),
    ("uses", settings('uses = ["../gone"]'), r"pyproject\.toml:11: uses: '\.\./gone' does not exist"),
    ("uses out", settings('uses = ["../../.."]'), r"pyproject\.toml:11: uses: .*leads out of the repo"),
    ("writable out", settings('writable = ["../x"]'), r"pyproject\.toml:11: writable: .*leads out of the directory"),
    ("tests", settings('tests = ["checks"]'), r"pyproject\.toml:11: tests: 'checks' does not exist"),
    ("no test", unlink("test/test_it.py"), r"test:1: no test file in test"),
    (
        "base",
        replace("pyproject.toml", "archive:bookworm", "dir:../none"),
        r"pyproject\.toml:10: base 'dir:\.\./none' is not",
    ),
    ("circle", replace("pyproject.toml", "archive:bookworm", "dir:."), r"in a circle"),
    ("no pytest", replace("poetry.lock", '"pytest"', '"other"'), r"poetry\.lock:1: pytest is not in the lock"),
    ("lock", replace("poetry.lock", "[metadata]", "<<<<<<"), r"poetry\.lock:1: is not a lock"),
    (
        "compose",
        lambda path: (path / "devops" / "compose.yml").touch(),
        r"devops/compose\.yml:1: is not read: services are those of compose\.yaml",
    ),
    ("own tasks", lambda path: (path / "tasks.py").touch(), r"tasks\.py:1: belongs to the root"),
    ("link", lambda path: (path / "data").symlink_to("/etc"), r"data:1: is a link that leads out of the repo"),
    (
        "bytes",
        lambda path: (path / "changelog.txt").write_bytes(b"# a-1.0.0\n- \xff"),
        r"changelog\.txt:2: is not UTF-8",
    ),
]


@pytest.mark.parametrize(("act", "pattern"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_each_fault_is_found_with_its_line(root: Path, act: Callable[[Path], object], pattern: str) -> None:
    path = sound(root, "runnable_dirs/forecast")
    act(path)
    found = findings(root, path)
    assert len([text for text in found if re.search(pattern, text)]) == 1, found
    assert all(re.match(r"[^:]+:\d+: .+; fix: .+", text) for text in found)


def test_all_findings_are_told_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sound(root, "runnable_dirs/forecast", 'pids = 1\nmemory = "lots"\nuses = ["../gone"]\n')
    (path / "changelog.txt").write_text("# forecast-0.2\n- 2024-01-01\n- a\n# forecast-0.1.0\n- soon\n- b\n")
    (path / "main_pytest.py").touch()
    assert check.main(directory=str(path), every=False, cwd=root, requirements=agreed) == 2
    lines = capsys.readouterr().out.splitlines()
    where = [line.split(": ")[0].removeprefix("runnable_dirs/forecast/") for line in lines]
    assert where == [
        *("changelog.txt:1", "changelog.txt:5", "pyproject.toml:11", "pyproject.toml:12", "pyproject.toml:13"),
        "main_pytest.py:1",
    ]


def test_the_order_of_all_entries_is_checked(root: Path) -> None:
    path = sound(root, "forecast")
    entries = [("0.1.0", "2024-01-01"), ("0.2.0", "2024-01-02"), ("0.3.0", "2023-01-01")]
    (path / "changelog.txt").write_text("".join(f"# forecast-{v}\n- {d}\n- text\n" for v, d in entries))
    assert [text.split(" ")[0] for text in findings(root, path)] == ["changelog.txt:4:", "changelog.txt:7:"]


def test_a_stale_lock_is_a_finding_and_an_unreachable_index_is_not_our_fault(root: Path) -> None:
    path = sound(root, "forecast")

    def stale(path: Path) -> Path:
        raise ConfigError("pyproject.toml says something else than poetry.lock", where=path, fix="invoke docker_lock")

    def unreachable(path: Path) -> Path:
        from helpers.errors import InfrastructureError

        raise InfrastructureError("the package index gave no answer", fix="invoke doctor")

    assert [finding.exit_code for finding in check.check(root, path, stale)] == [2]
    assert check.main(directory="forecast", every=False, cwd=root, requirements=unreachable) == 6


def test_two_directories_with_one_image_name_are_both_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound(root, "one/forecast")
    sound(root, "two/forecast")
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == 2
    out = capsys.readouterr().out
    assert len(re.findall("the image 'forecast' is the one of", out)) == 2


def test_all_finds_directories_that_lack_what_would_make_them_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound(root, "sound")
    shutil.rmtree(sound(root, "without") / "devops")
    (sound(root, "silent") / "changelog.txt").unlink()
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "silent/changelog.txt:1: is missing",
        "without/devops:1: is missing",
    ]


def test_a_directory_that_git_ignores_is_told(root: Path) -> None:
    path = sound(root, "forecast")
    (root / ".gitignore").write_text("forecast/\n")
    assert "ignored by git" in findings(root, path)[0]


def test_a_directory_answers_for_itself_and_not_for_those_inside_it(root: Path) -> None:
    outer, inner = sound(root, "outer"), sound(root, "outer/test/inner")
    (inner / "link").symlink_to("/etc")
    (outer / "test" / "test_it.py").unlink()
    texts = findings(root, outer)
    assert len(texts) == 1
    assert "no test file in test" in texts[0]
    assert [row.test_files for row in listing.rows(root)] == [0, 1]


def test_pytest_may_come_from_the_image_below(root: Path) -> None:
    sound(root, "below")
    path = sound(root, "above")
    replace("pyproject.toml", "archive:bookworm", "dir:../below")(path)
    replace("poetry.lock", '"pytest"', '"other"')(path)
    assert findings(root, path) == []


# --- dir_list ---


def test_the_list_shows_sound_and_wrong_directories(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound(root, "forecast")
    (sound(root, "wrong") / "changelog.txt").write_text("nonsense\n")
    assert listing.main(as_json=False, cwd=root / "forecast") == 2
    head, good, bad = capsys.readouterr().out.splitlines()
    assert head.split() == ["directory", "image", "version", "base", "python", "tests"]
    assert good.split() == ["forecast", "forecast", "0.1.0", "archive:bookworm", ">=3.11,<3.12", "1"]
    assert bad.startswith("wrong ")
    assert "changelog.txt:1" in bad
    assert listing.main(as_json=True, cwd=root) == 2
    rows = json.loads(capsys.readouterr().out)
    assert [(row["directory"], bool(row["error"])) for row in rows] == [("forecast", False), ("wrong", True)]


def test_the_list_of_sound_directories_ends_with_0_and_is_fast(root: Path) -> None:
    for number in range(20):
        sound(root, f"dir-{number}")
    started = time.monotonic()
    assert listing.main(as_json=True, cwd=root) == 0
    assert time.monotonic() - started < 2


def test_a_repo_without_runnable_dirs_says_so(root: Path) -> None:
    with pytest.raises(HelpersError, match="no runnable dir") as caught:
        listing.main(as_json=False, cwd=root)
    assert caught.value.exit_code == 5


# --- text of pyproject.toml ---


def test_lines_and_tables_are_found_in_odd_text() -> None:
    text = 'a = 1\n[tool.x]  # note\nlist = [\n  ["q", "r"]\n]\n"key" = 2\n[[tool.y]]\nkey = 3\n'
    assert project_text.line_of(text, "tool.x", "key") == 6
    assert project_text.line_of(text, "tool.x", "none") == 2
    assert project_text.line_of(text, "none", "key") == 1
    assert project_text.parse(project_text.add_to_table(text, "tool.x", ["new = 1"]))["tool"]["x"]["new"] == 1
    assert project_text.parse(project_text.add_to_table(text, "tool.z", ["new = 1"]))["tool"]["z"] == {"new": 1}


@pytest.mark.parametrize("value", ['"', "\\", "a\nb", "é", "\x7f", "'"])
def test_strings_come_back_from_toml_as_they_went(value: str) -> None:
    assert project_text.parse(f"a = {project_text.toml_list([value, value])}")["a"] == [value, value]
