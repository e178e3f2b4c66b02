"""Small projects for the tests of their manifests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from helpers import config
from helpers.manifest.read import read
from helpers.model.manifest import Manifest, Stated


def manifest(tmp_path: Path, files: dict[str, str]) -> Manifest:
    """Read a project with these files."""
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    config.forget()
    return read(tmp_path)


def of_toml(tmp_path: Path, text: str, **files: str) -> Manifest:
    return manifest(tmp_path, {"pyproject.toml": text, **files})


def values(items: Iterable[Stated]) -> list[str]:
    return [item.value for item in items]


def value(item: Stated | None) -> str | None:
    return item.value if item else None
