"""`dir_create --from` on projects of others: what is kept, what is added, and what is never run."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import config, discover, pyproject, pytest_settings
from helpers.dirs import create, project_tests, project_text
from helpers.errors import ConfigError, UsageError
from helpers.manifest.read import read
from helpers.test.dirs_fixtures import agreed, new, root, sound, tree
from helpers.test.unit_fixtures import git, make_repo

__all__ = ["root"]

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


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


def paths_of_tests(path: Path) -> list[str]:
    return [item.value for item in project_tests.find(path)]


def settings(path: Path) -> dict[str, object]:
    return project_text.parse((path / "devops" / "helpers.toml").read_text())


def test_a_project_keeps_all_its_files_and_gets_files_of_helpers(root: Path) -> None:
    text = '# mine\n[project]\nname = "My.Tool"\nversion = "2.5"\nrequires-python = ">=3.9"\n'
    text += "[build-system]\nrequires = []\n[project.optional-dependencies]\n"
    text += 'tests = ["hypothesis>=6", "my-tool[http]"]\nhttp = ["h11", "pytest<8"]\n'
    files = {"pyproject.toml": text, ".git/config": "x", ".gitignore": "*.mo\n", "a.mo": "1", "src/x.py": ""}
    path = adopted(root, files)
    before, after = tree(root.parent / "unpacked-1.2"), tree(path)
    assert {name: after[name] for name in before if name != ".git/config"} == {
        name: content for name, content in before.items() if name != ".git/config"
    }
    assert set(after) - set(before) == {"devops/helpers.toml", "changelog.txt", "devops/poetry.lock"}
    assert settings(path) == {"base": "archive:bookworm", "tests": ["tests"], "extras": ["tests"]}
    assert (path / "changelog.txt").read_text().startswith("# my-tool-2.5.0\n")


def test_decisions_are_printed_each_with_its_source(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[project]\nname = "tool"\ndynamic = ["version"]\n[build-system]\nbuild-backend = "own"\n'
    text += 'requires = []\n[dependency-groups]\ntest = ["pytest"]\ndocs = ["sphinx"]\n'
    text += '[project.optional-dependencies]\nhttp = ["h11"]\n'
    adopted(root, {"pyproject.toml": text, "tox.ini": "[testenv]\nextras = http\ndeps =\n  lint: ruff\n"})
    said = [line.removeprefix("helpers: note: ") for line in capsys.readouterr().err.splitlines()]
    assert said[:8] == [
        "image tool: pyproject.toml [project] name",
        "version 0.1.0 in changelog.txt: its own is computed by the build backend; "
        "correct the first line if it differs",
        "base archive:bookworm: the default",
        "tests tests: every test file is there",
        "dependencies: none",
        "extra http: h11 (pyproject.toml [project.optional-dependencies] http); named by tox.ini [testenv]",
        "group test: pytest (pyproject.toml [dependency-groups] test); by its name",
        "left out: group docs",
    ]


def test_dependencies_that_only_code_knows_are_never_taken_for_none(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "from setuptools import setup\nsetup(name='tool', install_requires=compute())\n"
    source = project(root, {"setup.py": script, "tests/test_a.py": ""})

    def lock(path: Path, named: Path) -> bool:
        raise AssertionError("unknown dependencies are locked")

    assert create.main("tool", source=str(source), cwd=root, doors=create.Doors(lock, agreed)) == 2
    printed = capsys.readouterr()
    how = "write them into devops/requirements.txt, a requirement a line, then: invoke docker_lock"
    assert f"dependencies are unknown, because only the build backend can compute them: {how}" in printed.err
    assert "dependencies: none" not in printed.err and "poetry.lock:1: is missing" in printed.out


def test_dry_run_prints_decisions_and_files_and_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = project(root, {"setup.py": "from setuptools import setup\nsetup(name='tool', version='1.2.3rc1')\n"})
    before = tree(root)
    assert create.main("tool", source=str(source), dry_run=True, cwd=root) == 0
    printed = capsys.readouterr()
    assert "  version 1.2.3 (from 1.2.3rc1, because a changelog has X.Y.Z): setup.py setup() version" in printed.out
    assert "  requirement pytest: no file of the project names pytest; the lock holds it" in printed.out
    assert '    base = "archive:bookworm"' in printed.out
    assert "    # tool-1.2.3" in printed.out
    assert "dry run, nothing is changed; it would make runnable_dirs/tool" in printed.err
    assert tree(root) == before


def test_requirement_that_no_manifest_states_gets_a_file_of_ours(root: Path) -> None:
    tox = "[testenv]\ndeps =\n    pytest>=7\n    mock\n    -r{toxinidir}/none.txt\n"
    path = adopted(root, {"pyproject.toml": '[project]\nname = "tool"\n', "tox.ini": tox})
    file = "devops/test-requirements.txt"
    lines = (path / file).read_text().splitlines()
    assert lines[1:] == ["pytest>=7  # tox.ini [testenv]", "mock  # tox.ini [testenv]"]
    assert settings(path)["groups"] == [file]
    assert [item.value for item in read(path).groups[file]] == ["pytest>=7", "mock"]


def test_own_lock_of_a_project_is_used(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[project]\nname = "tool"\nversion = "1.2.3"\n[tool.uv]\n[dependency-groups]\ndev = ["pytest"]\n'
    files = {"pyproject.toml": text, "uv.lock": "version = 1\n", "pdm.lock": "", "tests/test_a.py": ""}
    source = project(root, files)

    def lock(path: Path, named: Path) -> bool:
        raise AssertionError("a project with a lock is locked")

    create.main("tool", source=str(source), cwd=root, doors=create.Doors(lock, agreed))
    path = root / "runnable_dirs" / "tool"
    assert settings(path) == {"base": "archive:bookworm", "lock": "uv.lock", "tests": ["tests"], "groups": ["dev"]}
    assert (path / "uv.lock").read_text() == files["uv.lock"]
    assert "lock uv.lock: the project's own" in capsys.readouterr().err


def test_image_of_another_directory_is_not_taken(root: Path) -> None:
    sound(root, "runnable_dirs/other")
    path = adopted(root, {"pyproject.toml": '[project]\nname = "other"\nversion = "1"\n'})
    assert (path / "changelog.txt").read_text().startswith("# tool-1.0.0\n")


def test_groups_are_named_if_there_are_groups_and_none_is_for_tests(root: Path) -> None:
    text = '[project]\nname = "tool"\ndependencies = ["pytest"]\n[dependency-groups]\ndocs = ["sphinx"]\n'
    assert settings(adopted(root, {"pyproject.toml": text}))["groups"] == ["main"]


@pytest.mark.parametrize(
    ("version", "written"),
    [("1!2024.01.15.post1", "2024.1.15"), ("7", "7.0.0"), ("0.1.dev3+g1", "0.1.0"), ("1.2.3.4", "1.2.3")],
)
def test_version_of_the_project_becomes_a_legal_version(root: Path, version: str, written: str) -> None:
    path = adopted(root, {"pyproject.toml": f'[project]\nname = "tool"\nversion = "{version}"\n'})
    assert (path / "changelog.txt").read_text().startswith(f"# tool-{written}\n")


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
    texts |= {
        "helpers/test/test_of_helpers.py": "",
        "helpers/thin_env/bootstrap.py": "",
        "tool/test_more.py": "",
        ".gitignore": "big/\n",
        "big/data": "x",
    }
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
    added = {"devops/helpers.toml", "changelog.original.txt", "devops/poetry.lock"}
    assert set(after) - set(before) == added and set(before) <= set(after)
    assert {name for name in before if before[name] != after[name]} == {"changelog.txt"}
    assert after["changelog.original.txt"] == b"1.0 first\n"
    assert after["changelog.txt"].startswith(b"# my-tool-0.1.0\n")
    assert settings(root)["tests"] == ["test_tool.py", "tool"]
    printed = capsys.readouterr()
    assert "next: ./main_pytest.py --dir ." in printed.out and "git ignores" not in printed.err
    config.read_pyproject.cache_clear()
    loaded = config.load(root, root, discover.runnable_paths(root))
    assert loaded.nested == (root / "runnable_dirs" / "other", root / "helpers")
    with pytest.raises(UsageError, match="runnable dir already"):
        new(root, ".", source=".")


def test_a_lock_that_fails_at_the_root_changes_nothing(root: Path) -> None:
    before = tree(code_at(root))

    def fails(path: Path, named: Path) -> bool:
        assert path.parent == root, "it lies in the repo"
        raise ConfigError("no solution")

    with pytest.raises(ConfigError, match="no solution"):
        create.main(".", source=".", cwd=root, doors=create.Doors(fails, agreed))
    assert tree(root) == before


@pytest.mark.parametrize("file", ["pyproject.toml", "devops/helpers.toml"])
def test_settings_of_the_whole_repo_stay_when_its_root_becomes_a_runnable_dir(root: Path, file: str) -> None:
    table = "[tool.helpers]\n" if file == "pyproject.toml" else ""
    project = '[project]\nname = "tool"\n'
    own = f'{table}registry = "one.example"\nsync = []\n'
    code_at(root, **{"pyproject.toml": project, "setup.py": "", file: f"{project}{own}" if table else own})
    assert new(root, ".", source=".") == 0
    config.forget()
    found = pyproject.settings_table(root)
    assert (found["registry"], found["sync"], found["tests"]) == ("one.example", [], ["test_tool.py", "tool"])
    assert (root / "pyproject.toml").read_text() == project
    assert pyproject.settings_file(root).name == "helpers.toml"


def test_settings_in_a_form_that_cannot_be_moved_are_refused(root: Path) -> None:
    code_at(root, **{"pyproject.toml": '[project]\nname = "tool"\n[tool]\nhelpers = {registry = ""}\n'})
    with pytest.raises(ConfigError, match="cannot be moved"):
        new(root, ".", source=".")


def test_tests_of_helpers_are_none_of_the_root_s(root: Path) -> None:
    code_at(root, **{"test_tool.py": "", "pytest.ini": "[pytest]\ntestpaths = .\n"})
    assert paths_of_tests(root) == ["test_tool.py", "tool"]
    (root / "test_tool.py").unlink()
    (root / "tool" / "test_more.py").unlink()
    assert paths_of_tests(root) == ["tests"]


@pytest.mark.parametrize(
    ("said", "base"),
    [
        ("", "archive:bookworm"),
        (">=3.9", "archive:bookworm"),
        (">=3.12", "archive:trixie"),
        ("!=3.11.*", "archive:trixie"),
        ("<3.10", "archive:bullseye"),
        ("==3.12.*", "image:python:3.12-slim-bookworm"),
        (">=3.14", "image:python:3.14-slim-bookworm"),
        ("<3.9", "image:python:3.8-slim-bookworm"),
        ("odd", "archive:bookworm"),
    ],
)
def test_base_of_a_project_has_a_python_that_it_allows(root: Path, said: str, base: str) -> None:
    requires = f'requires-python = "{said}"\n' if said else ""
    source = project(root, {"pyproject.toml": f'[project]\nname = "tool"\nversion = "1"\n{requires}'})
    found = create.examine("runnable_dirs/tool", source=str(source), cwd=root)
    why = f"the first with a Python that fits {said}" if said else "the default"
    assert (found.base, f"base {base}: {why}" in found.decisions) == (base, True)
    given = create.examine("runnable_dirs/tool", source=str(source), base="archive:sid", cwd=root)
    assert "base archive:sid: --base" in given.decisions
    (source / "pyproject.toml").write_text('[tool.helpers]\nbase = "archive:trixie"\n')
    config.forget()
    found = create.examine("runnable_dirs/tool", source=str(source), cwd=root)
    assert (found.base, "base archive:trixie: [tool.helpers] base" in found.decisions) == ("archive:trixie", True)


def test_a_source_that_is_no_project_is_refused(root: Path) -> None:
    (root.parent / "empty").mkdir()
    (root.parent / "tool.tar.gz").touch()
    for source, says in (("../empty", "not a Python project"), ("../none", "not a directory"), (".", "holds the new")):
        with pytest.raises(UsageError, match=says):
            new(root, "tool", source=source)
    with pytest.raises(UsageError, match="unpack it first"):
        new(root, "tool", source="../tool.tar.gz")


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
        (root / "helpers" / "thin_env").mkdir(parents=True)
        (root / "helpers" / "thin_env" / "bootstrap.py").write_text("")
        (root / "helpers" / "test").mkdir()
        (root / "helpers" / "test" / "test_helpers.py").write_text("raise SystemExit")
    else:
        shutil.rmtree(root / ".git")
    config.forget()
    assert plain and collected(root, "-o", f"testpaths={shlex.join(paths_of_tests(root))}") == plain


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
    assert paths_of_tests(project(root, {"pyproject.toml": "", "setup.py": ""})) == ["tests"]


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


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "requirements/base.txt"])
def test_directory_with_requirements_alone_is_a_project(root: Path, file: str) -> None:
    path = adopted(root, {file: "attrs\n"})
    assert (path / file).read_text() == "attrs\n" and (path / "changelog.txt").exists()
    place = root / "runnable_dirs" / "here"
    (place / file).parent.mkdir(parents=True)
    (place / file).write_text("attrs\n")
    (place / "test_it.py").write_text("def test_it():\n    assert True\n")
    assert new(root, "runnable_dirs/here", source="runnable_dirs/here") == 0
    assert (place / "devops" / "helpers.toml").exists()


def test_file_with_a_line_that_is_no_requirement_is_named_and_not_locked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = {"requirements-test.txt": "pytest\ngit+https://host.example/foo\n"}
    source = project(root, {"test_it.py": "def test_it():\n    assert True\n", **lines})
    assert new(root, "tool", source=str(source)) == 2
    assert "requirements-test.txt has lines that are no requirements: write them as" in capsys.readouterr().err
    assert not (root / "runnable_dirs" / "tool" / "devops" / "poetry.lock").exists()
