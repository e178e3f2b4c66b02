"""The changelogs of this repo: a union merge of two branches may repeat a line or mix entries."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import config
from helpers.model import changelog
from helpers.test.conftest import ROOT


@pytest.mark.parametrize("file", [ROOT / "changelog.txt", ROOT / "helpers" / "changelog.txt"], ids=["root", "helpers"])
def test_own_changelog_names_each_effect_once(file: Path) -> None:
    log = changelog.parse(config.read_text(file), file.name)
    notes = [note for entry in log.entries for note in entry.notes]
    assert [note for note in notes if notes.count(note) > 1] == []
    assert len({entry.version for entry in log.entries}) == len(log.entries)
