"""Which files count as tests of a directory: those that pytest collects, also notebooks, doctests and YAML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import config
from helpers.dirs.testfiles import test_files as files_of

HOOK = "def pytest_collect_file(parent, file_path):\n    ...\n"
ADDS = "[pytest]\naddopts = {}\n"


def found(root: Path, files: dict[str, str], *tests: str) -> list[str]:
    config.forget()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return [path.relative_to(root).as_posix() for path in files_of(root, tests or ("test",))]


@pytest.mark.parametrize(
    ("files", "tests"),
    [
        ({"test/test_a.py": "", "test/helper.py": ""}, ["test/test_a.py"]),
        ({"test/a.ipynb": "", "pytest.ini": ADDS.format("--nbmake")}, ["test/a.ipynb"]),
        ({"test/a.ipynb": "", "pytest.ini": ADDS.format("--nbval-lax -q")}, ["test/a.ipynb"]),
        ({"test/a.ipynb": "", "pytest.ini": ADDS.format("-q")}, []),
        ({"test/test_a.txt": "", "test/b.txt": ""}, ["test/test_a.txt"]),
        ({"test/a.rst": "", "pytest.ini": ADDS.format("--doctest-glob=*.rst")}, ["test/a.rst"]),
        ({"test/a.yaml": "", "test/conftest.py": HOOK}, ["test/a.yaml"]),
        ({"test/in/a.yaml": "", "conftest.py": HOOK}, ["test/in/a.yaml"]),
        ({"test/a.yaml": "", "test/in/conftest.py": HOOK}, []),
        ({"test/a.yaml": "", "test/conftest.py": "import pytest\n"}, []),
    ],
)
def test_files_that_pytest_collects_are_found(tmp_path: Path, files: dict[str, str], tests: list[str]) -> None:
    assert found(tmp_path, files) == tests


def test_link_in_place_of_a_conftest_collects_nothing(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "conftest.py").symlink_to("/dev/zero")
    assert found(tmp_path, {"test/a.yaml": ""}) == []
