"""Locks of other tools on the live engine: the image holds exactly the versions of the lock."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from helpers import pyproject
from helpers.engine.tools import uv
from helpers.model.pdm_lock import _hash
from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PROJECT = """\
[project]
name = "locked"
version = "1"
requires-python = ">=3.11"
dependencies = ["attrs"]

[project.optional-dependencies]
fast = ["idna"]

[dependency-groups]
test = ["pytest<9"]
docs = ["docutils"]

[tool.uv]
package = false

[tool.helpers]
groups = ["test"]
extras = ["fast"]
"""

TEST = """\
from importlib.metadata import distributions

EXPECTED = {expected!r}


def test_versions():
    assert {{item.name.lower().replace("_", "-"): item.version for item in distributions()}} == EXPECTED
"""
CHOSEN = ("--no-default-groups", "--group", "test", "--extra", "fast")
# A newer release than the first one in the range: only the lock can have chosen it.
OLD = "attrs==23.1.0"


def run_uv(path: Path, *words: str) -> str:
    done = subprocess.run(
        [str(uv()), *words], cwd=path, env=os.environ, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout


def pins(path: Path, *words: str) -> dict[str, Requirement]:
    plain = run_uv(path, "export", "--no-hashes", "--no-header", "--no-annotate", *words)
    return {item.name: item for item in map(Requirement, plain.splitlines())}


def pdm_lock(path: Path) -> str:
    """Return the lock of uv in `path` in the format of pdm."""
    data: dict[str, Any] = pyproject.parse_toml((path / "uv.lock").read_text(), path / "uv.lock")
    chosen = {"default": ("--no-default-groups",), "fast": ("--no-default-groups", "--extra", "fast")}
    chosen |= {name: ("--only-group", name) for name in ("test", "docs")}
    lines = {group: pins(path, *words) for group, words in chosen.items()}
    lines["fast"] = {name: item for name, item in lines["fast"].items() if name not in lines["default"]}
    rows = [
        '[metadata]\ngroups = ["default", "docs", "fast", "test"]\nstrategy = ["inherit_metadata"]',
        f'lock_version = "4.5.0"\ncontent_hash = "sha256:{_hash(pyproject.read(path), plain=False)}"',
    ]
    for package in data["package"]:
        groups = [group for group, found in lines.items() if package["name"] in found]
        if not groups:
            continue
        marker = lines[groups[0]][package["name"]].marker
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        rows += [f'\n[[package]]\nname = "{package["name"]}"\nversion = "{package["version"]}"\ngroups = {groups}']
        rows += [f'marker = "{marker}"'.replace('"', "'").replace("'", '"', 1)[:-1] + '"'] if marker else []
        rows += [f"files = {[Inline(file='x', hash=file['hash']) for file in files]}"]
    return "\n".join(rows)


class Inline(dict[str, str]):
    """An inline table of TOML."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{key} = {value!r}" for key, value in self.items()) + "}"


def test_image_holds_exactly_the_versions_of_each_kind_of_lock(scratch: Scratch) -> None:
    made = scratch.root / "made"
    made.mkdir()
    (made / "pyproject.toml").write_text(PROJECT.replace('"attrs"', f'"{OLD}"'))
    run_uv(made, "lock")
    (made / "pyproject.toml").write_text(PROJECT)
    run_uv(made, "lock")
    found = pins(made, *CHOSEN)
    here = {"sys_platform": "linux", "python_full_version": "3.11.2", "python_version": "3.11"}
    expected = {
        name: next(iter(item.specifier)).version
        for name, item in found.items()
        if item.marker is None or item.marker.evaluate(here)
    }
    assert expected["attrs"] == "23.1.0" and "docutils" not in expected and "idna" in expected
    locks = {
        "uv.lock": (made / "uv.lock").read_text(),
        "pdm.lock": pdm_lock(made),
        "pylock.toml": run_uv(made, "export", "--format", "pylock.toml", *CHOSEN),
        "requirements.txt": run_uv(made, "export", *CHOSEN),
    }
    for file, text in locks.items():
        path = scratch.add(
            file.partition(".")[0], TEST.format(expected=expected), image=file.partition(".")[0], lock=False
        )
        # One set of packages: the lock itself chose the groups.
        is_set = file in ("pylock.toml", "requirements.txt")
        settings = PROJECT.replace('groups = ["test"]\nextras = ["fast"]\n', "") if is_set else PROJECT
        (path / "pyproject.toml").write_text(settings)
        (path / file).write_text(text)
    shutil.rmtree(made)
    done = scratch.run("--tier", "all")
    assert done.code == 0, done.stdout + done.stderr
    checked = scratch.invoke("docker_lock", "--check", "--all")
    assert checked.returncode == 0, checked.stderr
    project = scratch.root / "uv" / "pyproject.toml"
    project.write_text(PROJECT.replace('"attrs"', '"attrs>=24"'))
    done = scratch.run("--dir", "uv")
    assert done.code == 2 and "uv.lock does not match" in done.stderr + done.stdout
