"""The export of a lock with siblings: which lines are left out, and when a kept export counts no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import ConfigError
from helpers.images import lock, sibling_lines
from helpers.images.lock_source import LockSource
from helpers.model.lock_kind import LockKind
from helpers.test.test_siblings import app, root
from helpers.test.unit_fixtures import cache, forget

__all__ = ["cache", "root"]

EXPORTED = """\
attrs==23.1.0 ; python_version >= "3.11" \\
    --hash=sha256:{hash}
-e file://{root}/common ; python_version >= "3.11"
lowest @ file://{root}/lowest
"""


def test_export_has_no_line_of_a_sibling(root: Path) -> None:
    source = LockSource(LockKind.POETRY, root / "app" / "poetry.lock", app(root))
    kept = sibling_lines.without(EXPORTED.format(root=root, hash="0" * 64), source)
    assert kept.split() == ["attrs==23.1.0", ";", "python_version", ">=", '"3.11"', f"--hash=sha256:{'0' * 64}"]
    assert sibling_lines.are_in(source)
    with pytest.raises(ConfigError, match=r"has the path \.\./unknown"):
        sibling_lines.without(f"x @ file://{root}/unknown ; python_version >= '3'\n", source)


def test_export_is_made_again_when_a_sibling_names_a_project_no_longer(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = app(root)
    monkeypatch.setattr(lock, "_poetry", lambda *_: EXPORTED.format(root=root, hash="0" * 64))
    kept = lock.requirements(path)
    forget()
    assert lock.requirements(path) == kept
    file = root / "common" / "pyproject.toml"
    file.write_text(file.read_text().replace('["lowest"]', "[]"))
    forget()
    with pytest.raises(ConfigError, match=r"has the path \.\./lowest"):
        lock.requirements(path)


def test_locks_with_siblings_are_not_exported_without_the_check(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = app(root)
    monkeypatch.setattr("helpers.images.isolated_poetry.run_all", lambda _: pytest.fail("exports it"))
    lock.export_all([(path, ())])
