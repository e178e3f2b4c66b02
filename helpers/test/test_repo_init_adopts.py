"""`repo_init` in a repo with a project of another owner: files are added, and none is extended."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import config
from helpers.repos import init
from helpers.test.dirs_fixtures import DOORS
from helpers.test.test_repo_init import root
from helpers.test.unit_fixtures import forget

__all__ = ["root"]

pytestmark = pytest.mark.slow


def test_settings_stay_in_pyproject_beside_a_changelog_of_the_owner(root: Path) -> None:
    """With `devops/` the root would be taken for a runnable dir."""
    (root / "pyproject.toml").write_text('[project]\nname = "old"\n')
    (root / "changelog.txt").write_text("1.0 first\n")
    assert init.main(cwd=root) == 0
    assert not (root / "devops").exists() and "helpers" in config.read_pyproject(root)["tool"]


def test_adoption_of_the_root_adds_files_only(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {".gitignore": "*.log\n", "setup.py": "from setuptools import setup\nsetup(name='tool', version='2.5')\n"}
    texts |= {"test_a.py": "def test_a(): pass\n", "pyproject.toml": "[tool.ruff]\n"}
    for name, text in texts.items():
        (root / name).write_text(text)
    assert init.main(cwd=root, name=".", registry="one.example", dry_run=True, doors=DOORS) == 0
    assert "image tool: setup.py setup() name" in capsys.readouterr().out
    init.main(cwd=root, name=".", registry="one.example", doors=DOORS)  # helpers is a link here, which a check refuses
    assert {name: (root / name).read_text() for name in texts} == texts
    forget()
    found = config.load(root, root, [root])
    assert (found.settings.tests, found.registry, str(found.version)) == (("test_a.py",), "one.example", "2.5.0")
