"""Programs that run on the host load neither code nor configuration of a checkout (docs/host-tools.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch, thin_env

pytestmark = [pytest.mark.host, pytest.mark.superslow]

PLUGIN = "from poetry.plugins.application_plugin import ApplicationPlugin as Base\nclass P(Base):\n    pass\n"
# Modules that a tool would import if it starts in the checkout, or has the checkout on its path.
MODULES = (
    *("pip.py", "venv.py", "ensurepip.py", "uv.py", "poetry.py", "setup.py", "virtualenv.py"),
    *("sitecustomize.py", "usercustomize.py", "conftest.py", "invoke.py"),
)
# Test code: the engine `venv` runs it on the host on purpose, with the directory on its path.
TEST_CODE = {"conftest.py", "sitecustomize.py", "usercustomize.py"}


class Hostile:
    """A checkout in which every loadable file leaves a mark."""

    def __init__(self, root: Path) -> None:
        self.marks = root.parent / "marks"
        self.marks.mkdir()
        self.scratch = Scratch(root)
        self.path = self.scratch.add("d", "def test_it():\n    pass\n")
        project = self.path / "pyproject.toml"
        project.write_text(f"# {root}\n{project.read_text()}\n[tool.uv]\nnonsense = 1\n")
        for place in (root, self.path):
            self.plant(place)

    def code(self, name: str) -> str:
        """Return code that leaves the mark `name`, with the caller's variables as content."""
        return f"import os\nopen({str(self.marks / name)!r}, 'w').write(str(dict(os.environ)))\n"

    def plant(self, place: Path) -> None:
        """Plant code and configuration in the directory `place`."""
        for name in MODULES if place == self.path else ("pip.py", "setup.py", "sitecustomize.py"):
            (place / name).write_text(self.code(name))
        plugins = place / ".poetry" / "plugins"
        info = plugins / "evil-1.0.dist-info"
        info.mkdir(parents=True)
        (plugins / "evilplugin.py").write_text(self.code("plugin") + PLUGIN)
        (plugins / "evil.pth").write_text(f"import os; open({str(self.marks / 'pth')!r}, 'w')\n")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        groups = ("poetry.application.plugin", "poetry.plugin")
        (info / "entry_points.txt").write_text("".join(f"[{name}]\nevil = evilplugin:P\n" for name in groups))
        (place / "poetry.toml").write_text(f'cache-dir = "{self.marks}/poetry-cache"\n')
        # Both files end their reader.
        (place / "uv.toml").write_text("nonsense\n")
        (place / ".python-version").write_text("2.7\n")
        (place / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/\n")
        (place / ".env").write_text("COMPOSE_FILE=/nowhere\nUV_INDEX_URL=http://127.0.0.1:9/\n")

    def left(self) -> set[str]:
        """Return the names of the marks, and remove the marks."""
        names = {file.name for file in self.marks.iterdir()}
        shutil.rmtree(self.marks)
        self.marks.mkdir()
        return names


def test_host_commands_load_nothing_from_a_hostile_checkout(tmp_path: Path) -> None:
    hostile = Hostile(tmp_path / "repo")
    scratch, path = hostile.scratch, hostile.path
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager"):
        scratch.git("config", key, f"touch {hostile.marks}/git; false")
    # A cache of its own: the thin environment and poetry's environment are made, started in the checkout.
    env = {"HELPERS_CACHE": str(tmp_path / "cache"), "GITHUB_TOKEN": "secret"}
    bootstrap = [sys.executable, str(scratch.root / "helpers" / "thin_env" / "bootstrap.py"), "invoke"]
    for task, code in (("docker_lock", 0), ("docker_lock --check", 0), ("dir_check", 0), ("dir_list", 0)):
        done = subprocess.run(
            [*bootstrap, *task.split()],
            cwd=path,
            env={**os.environ, **env},
            capture_output=True,
            encoding="utf-8",
        )
        assert (done.returncode, hostile.left()) == (code, set()), task + done.stdout + done.stderr
    listed = scratch.run("--list", cwd=path, **env)
    assert (listed.code, hostile.left()) == (0, set()), listed.stdout
    ran = scratch.run("--engine", "venv", "--dir", ".", cwd=path, **env)
    assert hostile.left() <= TEST_CODE and ran.of("d") == ("PASS", 0), ran.stdout


def test_invoke_loads_no_tasks_of_a_runnable_dir(tmp_path: Path) -> None:
    hostile = Hostile(tmp_path / "repo")
    for name in ("tasks.py", "invoke.py", "invoke.yaml"):
        (hostile.path / name).write_text(hostile.code(name))
    command = [str(thin_env() / "path" / "invoke"), "dir_check"]
    done = subprocess.run(command, cwd=hostile.path, capture_output=True, encoding="utf-8")
    assert "tasks.py:1: belongs to the root of the repo only" in done.stdout, done.stdout + done.stderr
    assert (done.returncode, hostile.left()) == (2, set())
