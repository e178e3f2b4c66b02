"""This image stands on two others: what each of them brings."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import tomllib

import shared
import web

HERE = Path(__file__).parents[1]


def test_a_package_comes_from_the_layer_below() -> None:
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dependencies"] == []
    assert version("itsdangerous").startswith("2.")


def test_code_comes_from_both_layers_below() -> None:
    assert Path(shared.__path__[0]).parent.name == "base"
    assert Path(web.__path__[0]).parent.name == "services-base"


def test_the_service_starts_and_says_where(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services", "--once"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), "SERVICE_PORT": "0"},
    )
    assert '"event": "serving"' in done.stdout


def test_a_wrong_setting_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path), "SERVICE_PORT": "http"},
    )
    assert (done.returncode, "SERVICE_PORT is a number" in done.stderr) == (2, True)
