"""Inside a container of ours tests run right there, after its image was compared with the code."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from helpers.driver import cli
from helpers.engine import choose as choosing
from helpers.engine import client
from helpers.engine.here import HereEngine
from helpers.inside import run_pytest
from helpers.model.image import IMAGE_VARIABLE
from helpers.test.test_version import AGREEMENT
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]


@pytest.fixture
def root(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo with the runnable dir `a`, whose code is at 1.2.3, and `b`; we are in a container of `a`."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "a", image="tool", version="1.2.3")
    add_dir(root, "b", image="other")
    monkeypatch.chdir(root)
    monkeypatch.setenv("HELPERS_INSIDE", "tool-1.2.0")
    return root


@pytest.mark.parametrize("code, image, may", AGREEMENT)
def test_inside_the_rule_is_the_same_as_outside(tmp_path: Path, code: str, image: str, may: bool) -> None:
    (tmp_path / "changelog.txt").write_text(f"# tool-{code}\n- 2026-01-02\n- x\n\n# tool-0.0.1\n- 2026-01-01\n- x\n")
    assert (run_pytest.disagreement(str(tmp_path), f"tool-{image}") == "") is may


@pytest.mark.parametrize(
    "text, image, says",
    [
        ("# tool-1.3.0\n", "tool-1.2.9", "needs an image tool-1.3.*, and this is a container of tool-1.2.9"),
        ("# tool-1.2.0\n", "other-1.2.0", "needs an image tool-1.2.*, and this is a container of other-1.2.0"),
        ("no entry\n", "tool-1.2.0", "(no version)"),
        ("# tool-1.2.0\n", "-", "this is a container of -"),
        ("\r\n#\ttool-1.2.7 \r\n", "tool-1.2.0", ""),
        ("# tool-1.2.0\n", "", ""),
    ],
)
def test_the_nearest_changelog_above_says_what_the_code_is(tmp_path: Path, text: str, image: str, says: str) -> None:
    (tmp_path / "changelog.txt").write_bytes(text.encode())
    (tmp_path / "test" / "deep").mkdir(parents=True)
    found = run_pytest.disagreement(str(tmp_path / "test" / "deep"), image)
    assert says in found and bool(says) == bool(found)
    if found:
        assert f"invoke docker_build --dir {tmp_path}" in found


def test_host_and_container_speak_of_the_same_variable() -> None:
    assert run_pytest.IMAGE == IMAGE_VARIABLE


def test_only_auto_is_this_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERS_INSIDE", "tool-1.2.0")
    assert choosing.choose("auto").name == "here"
    assert choosing.choose("venv").name == "venv"
    monkeypatch.delenv("HELPERS_INSIDE")
    monkeypatch.setattr(client, "why_not_running", lambda: "no engine")
    assert choosing.choose("auto").name == "venv"


def test_this_container_is_the_image_of_its_own_name_only() -> None:
    names = ["host:5000/team/tool:inputs-01", "tool:inputs-02", "host:5000/tool2:inputs-03", "tool-1:inputs-04"]
    assert list(HereEngine("tool-1.2.0").find(names)) == names[:2]


@pytest.mark.slow
def test_tests_run_right_here_and_other_directories_are_refused(root: Path) -> None:
    assert cli.main(["--json", "r.json"], root) == 4
    report = json.loads((root / "r.json").read_text())
    found = {item["directory"]: item for item in report["directories"]}
    assert (found["a"]["verdict"], found["a"]["passed"], report["engine"]) == ("PASS", 1, "here"), found
    assert (found["b"]["verdict"], found["b"]["exit_code"]) == ("REFUSED", 4)
    assert "this is a container of tool-1.2.0" in found["b"]["why"]


@pytest.mark.slow
def test_code_that_moved_on_under_an_open_shell_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "a" / "test")
    log = root / "a" / "changelog.txt"
    log.write_text("# tool-1.3.0\n- 2026-02-02\n- more\n\n" + log.read_text())
    assert cli.run_tier("fast", "", "auto", "local", f"--junitxml={root / 'x.xml'}") == 4
    assert not os.path.exists(root / "x.xml"), "pytest ran"
