"""`dir_create --from` on projects of others: what is kept, what is added, and what is never run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import config, discover, pytest_settings
from helpers.dirs import adopt, create, project_text
from helpers.errors import ConfigError, UsageError
from helpers.manifest import metadata, wanted
from helpers.test.dirs_fixtures import LOCK, agreed, findings, make_lock, new, root, sound, tree
from helpers.test.unit_fixtures import git, make_repo

__all__ = ["root"]

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


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


def test_the_line_ends_of_a_pyproject_stay(root: Path) -> None:
    text = '[project]\r\nname = "tool"\r\nrequires-python = ">=3.9"\r\n[tool.poetry]\r\nrequires-poetry = ">=2"\r\n'
    source = project(root, {"pyproject.toml": "", "tests/test_a.py": "def test_a(): pass\n"})
    (source / "pyproject.toml").write_bytes(text.encode())
    assert new(root, "tool", source=str(source)) == 0
    after = (root / "runnable_dirs" / "tool" / "pyproject.toml").read_bytes()
    assert after.count(b"\n") == after.count(b"\r\n") > 8
    assert toml(root / "runnable_dirs" / "tool")["tool"]["poetry"]["package-mode"] is False


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
        (path / "poetry.lock").write_text(
            LOCK + '[[package]]\nname = "x"\nversion = "1"\n[package.dependencies]\nMy_Tool = ">=1"\n'
        )
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


def code_at(root: Path, **more: str) -> Path:
    """A package at the root of a repo that has helpers and another runnable dir, and its tests beside it."""
    helpers = make_repo(root / "helpers")
    sound(root, "runnable_dirs/other")
    text = '[project]\nname = "My.Tool"\nrequires-python = ">=3.9"\ndependencies = ["attrs"]\n'
    texts = {"pyproject.toml": text, "tool/__init__.py": "ANSWER = 42\n", "test_tool.py": "def test_it(): pass\n"}
    texts |= {"helpers/test/test_of_helpers.py": "", "tool/test_more.py": "", ".gitignore": "big/\n", "big/data": "x"}
    for name, content in {**texts, **more}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    git(helpers, "add", "--all")
    return root


def test_the_code_at_the_root_of_a_repo_becomes_a_runnable_dir_where_it_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(code_at(root, **{"changelog.txt": "1.0 first\n"}))
    assert new(root, ".", source=".") == 0
    after = tree(root)
    added = {"devops/.gitkeep", "changelog.original.txt", "poetry.lock"}
    assert set(after) - set(before) == added and set(before) <= set(after)
    assert {name for name in before if before[name] != after[name]} == {"changelog.txt", "pyproject.toml"}
    assert after["changelog.original.txt"] == b"1.0 first\n"
    assert after["changelog.txt"].startswith(b"# my-tool-0.1.0\n")
    assert after["pyproject.toml"].startswith(before["pyproject.toml"])
    assert toml(root)["tool"]["helpers"] == {"base": "archive:bookworm", "tests": ["test_tool.py", "tool"]}
    printed = capsys.readouterr()
    assert "next: ./main_pytest.py --dir ." in printed.out and "git ignores" not in printed.err
    config.read_pyproject.cache_clear()
    loaded = config.load(root, root, discover.runnable_paths(root))
    assert loaded.nested == (root / "runnable_dirs" / "other", root / "helpers")
    with pytest.raises(UsageError, match="runnable dir already"):
        new(root, ".", source=".")


def test_a_lock_that_fails_at_the_root_changes_nothing(root: Path) -> None:
    before = tree(code_at(root))

    def fails(path: Path) -> bool:
        assert path.parent == root, "it lies in the repo"
        raise ConfigError("no solution")

    with pytest.raises(ConfigError, match="poetry can not lock"):
        create.main(".", source=".", cwd=root, doors=create.Doors(fails, agreed))
    assert tree(root) == before


def test_settings_of_the_whole_repo_stay_when_its_root_becomes_a_runnable_dir(root: Path) -> None:
    settings = '[tool.helpers]\nregistry = "one.example"\nsync = []\n'
    wanted = {"registry": "one.example", "sync": [], "base": "archive:bookworm", "tests": ["test_tool.py", "tool"]}
    code_at(root, **{"pyproject.toml": settings, "setup.py": ""})
    assert new(root, ".", source=".") == 0
    assert toml(root)["tool"]["helpers"] == wanted
    assert not (root / "pyproject.original.toml").exists()


def test_tests_of_helpers_are_none_of_the_root_s(root: Path) -> None:
    code_at(root, **{"test_tool.py": "", "pytest.ini": "[pytest]\ntestpaths = .\n"})
    assert adopt.read(root).tests == ("test_tool.py", "tool")
    (root / "test_tool.py").unlink()
    (root / "tool" / "test_more.py").unlink()
    assert adopt.read(root).tests == ("tests",)


@pytest.mark.parametrize(
    ("said", "base", "python"),
    [
        ("", "archive:bookworm", ""),
        (">=3.9", "archive:bookworm", ""),
        (">=3.12", "archive:trixie", "3.13"),
        ("!=3.11.*", "archive:trixie", "3.13"),
        ("<3.10", "archive:bullseye", "3.9"),
        ("==3.12.*", "image:python:3.12-slim-bookworm", "3.12"),
        (">=3.14", "image:python:3.14-slim-bookworm", "3.14"),
        ("<3.9", "image:python:3.8-slim-bookworm", "3.8"),
        ("odd", "archive:bookworm", ""),
    ],
)
def test_base_of_a_project_has_a_python_that_it_allows(root: Path, said: str, base: str, python: str) -> None:
    requires = f'requires-python = "{said}"\n' if said else ""
    source = project(root, {"pyproject.toml": f'[project]\nname = "tool"\nversion = "1"\n{requires}'})
    found = create.examine("runnable_dirs/tool", source=str(source), cwd=root)
    assert found.base == base
    assert found.decided == (f"base is {base}, with Python {python}: requires-python is '{said}'" if python else "")
    # A base that is named or set is not chosen.
    assert create.examine("runnable_dirs/tool", source=str(source), base="archive:sid", cwd=root).decided == ""
    with (source / "pyproject.toml").open("a") as file:
        file.write('[tool.helpers]\nbase = "archive:sid"\n')
    assert create.examine("runnable_dirs/tool", source=str(source), cwd=root).decided == ""


def test_base_that_is_chosen_is_printed_and_set(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = adopted(root, {"pyproject.toml": '[project]\nname = "tool"\nversion = "1"\nrequires-python = ">=3.12"\n'})
    assert toml(path)["tool"]["helpers"]["base"] == "archive:trixie"
    said = "note: base is archive:trixie, with Python 3.13: requires-python is '>=3.12'"
    assert said in capsys.readouterr().err


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
    assert pytest_settings.words(pytest_settings.read(tmp_path)["testpaths"]) == ["checks", "more"]


DOCTEST = '"""\n>>> 1 + 1\n2\n"""\n'
TEST = "def test_it():\n    pass\n"
LAYOUTS = {
    "tests in tests": {"tests/test_a.py": TEST},
    "doctests in the package": {"pytest.ini": "[pytest]\naddopts = --doctest-modules\n", "pkg/a.py": DOCTEST},
    "doctests in src": {"setup.cfg": "[tool:pytest]\naddopts = -q --doctest-modules\n", "src/pkg/a.py": DOCTEST},
    "doctests by pyproject": {
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--doctest-modules"]\n',
        "pkg/a.py": DOCTEST,
    },
    "doctests in docs": {"tox.ini": "[pytest]\naddopts = --doctest-glob=*.rst\n", "docs/a.rst": ">>> 1 + 1\n2\n"},
    "doctests in a text file": {"docs/test_a.txt": ">>> 1 + 1\n2\n"},
    "tests beside the code": {"pkg/test_b.py": TEST},
    "names of its own": {"pytest.ini": "[pytest]\npython_files = check_*.py\n", "pkg/check_b.py": TEST},
    "testpaths": {"pytest.ini": "[pytest]\ntestpaths = pkg tests\n", "pkg/test_b.py": TEST, "more/test_c.py": TEST},
    "testpaths with a pattern": {"pytest.ini": "[pytest]\ntestpaths = p*/unit\n", "pkg/unit/test_b.py": TEST},
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("of_repo", [False, True])
def test_an_adopted_project_has_the_tests_that_plain_pytest_collects(tmp_path: Path, name: str, of_repo: bool) -> None:
    root = make_repo(tmp_path / "r")
    for file, text in {"pyproject.toml": "", "tests/test_z.py": TEST, "tests/inside_a.py": "", **LAYOUTS[name]}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    plain = collected(root)
    if of_repo:
        (root / "helpers" / "test").mkdir(parents=True)
        (root / "helpers" / "test" / "test_helpers.py").write_text("raise SystemExit")
    else:
        shutil.rmtree(root / ".git")
    config.forget()
    assert plain and collected(root, "-o", f"testpaths={shlex.join(adopt.read(root).tests)}") == plain


def collected(path: Path, *options: str) -> list[str]:
    words = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *options]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(words, cwd=path, env=env, capture_output=True, text=True, check=True)
    return sorted(line for line in done.stdout.splitlines() if ":" in line)


def test_the_project_is_read_before_anything_is_made(root: Path) -> None:
    source = project(root, {"pyproject.toml": "not = = toml", "tests/test_a.py": ""})
    with pytest.raises(ConfigError, match="not TOML"):
        new(root, "tool", source=str(source))
    assert os.listdir(root / "runnable_dirs") == []
    assert adopt.read(project(root, {"pyproject.toml": "", "setup.py": ""})).tests == ("tests",)


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
