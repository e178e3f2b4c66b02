"""The commands of the tutorial, one after the other, in a copy of this repo."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.test.conftest import ROOT, images_removed
from helpers.test.doc_shell import DocShell
from helpers.test.fleet import git

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_commands_of_the_tutorial_print_what_it_shows(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in git(ROOT, "ls-files", "-z").split("\0"):
        if name and not name.startswith("helpers/test/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    (source / "helpers" / "test").mkdir()
    (source / "helpers" / "test" / "test_it.py").write_text("def test_it():\n    pass\n")
    git(source, "init", "--quiet", "--initial-branch", "main")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "all")
    shell = DocShell(tmp_path, tmp_path, ":", {" URL ": f" {source} "}, {str(tmp_path): "/home/ana"})
    with images_removed("greetings", "example-orders", "example-shelves"):
        faults = shell.faults("docs/tutorial.md")
    assert faults == [], "\n".join(faults)
