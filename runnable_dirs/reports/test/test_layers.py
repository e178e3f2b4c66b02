"""This image is layered on intake's: what comes from below, what is added, and that both agree."""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[1]


def locked() -> Iterator[dict[str, Any]]:
    """The packages of this directory's own lock."""
    yield from tomllib.loads((HERE / "poetry.lock").read_text(encoding="utf-8"))["package"]


def test_pydantic_is_here_though_this_directory_does_not_ask_for_it() -> None:
    assert "pydantic" not in {package["name"] for package in locked()}
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    assert not any(asked.startswith("pydantic") for asked in project["project"]["dependencies"])
    assert version("pydantic").startswith("2.")


def test_jinja2_is_added_by_this_directory() -> None:
    assert "jinja2" in {package["name"] for package in locked()}
    assert version("jinja2").startswith("3.")


# A package with markers is for other systems (colorama on Windows) and not installed here.
@pytest.mark.parametrize("package", [p for p in locked() if "markers" not in p], ids=lambda package: package["name"])
def test_what_is_installed_is_what_is_locked_here(package: dict[str, Any]) -> None:
    assert version(package["name"]) == package["version"]


def test_python_is_the_one_of_the_image_below() -> None:
    assert sys.version_info[:2] == (3, 13)


def test_the_code_of_the_directory_below_is_not_visible() -> None:
    assert find_spec("intake") is None
