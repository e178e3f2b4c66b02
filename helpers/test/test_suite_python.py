"""The Python of each suite of the distribution: a single table, for checks and for new directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.dirs import create, soundness
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import Base

KNOWN = [(suite, python) for suite, python in PYTHON_OF_SUITE.items() if python]


@pytest.mark.parametrize(("suite", "python"), KNOWN)
def test_every_suite_is_checked_against_its_own_python(suite: str, python: str) -> None:
    minor = int(python.split(".")[1])
    base = Base.parse(f"archive:{suite}")
    for wrong in (f">=3.{minor + 1}", f">=3.{minor - 2},<3.{minor}", f"==3.{minor + 1}.*", f">=3.{minor + 1},<4"):
        assert f"does not allow Python {python}, which archive:{suite} has" in soundness.python_problem(base, wrong)
    for right in (f">=3.{minor},<3.{minor + 1}", f">=3.{minor - 1}", f"==3.{minor}.*", ""):
        assert soundness.python_problem(base, right) == ""


@pytest.mark.parametrize(("suite", "python"), KNOWN)
def test_new_directory_takes_the_suite_of_its_python_and_the_python_of_its_suite(suite: str, python: str) -> None:
    minor = int(python.split(".")[1])
    assert create._base_with(python) == f"archive:{suite}"
    requires = f">=3.{minor},<3.{minor + 1}"
    assert create._requires_python(Path("x"), f"archive:{suite}", "") == requires
    assert create._requires_python(Path("x"), f"archive:{suite}", python) == requires


def test_suite_whose_python_changes_is_not_judged() -> None:
    assert soundness.python_problem(Base.parse("archive:sid"), ">=3.99") == ""
    assert create._base_with("3.12") == "image:python:3.12-slim-bookworm"
