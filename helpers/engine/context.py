"""Gathers what a recipe may read: pinned requirements, names of packages, the installer, and the host's settings."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers import host
from helpers.engine.archive import apt_sources
from helpers.engine.seam import BuildContext, Ingredients
from helpers.engine.specs import SCRIPTS, ImageSpec
from helpers.storage import cache_dir, use

# Where BuildKit shows the secret `ca` to a recipe (https://docs.docker.com/build/building/secrets/).
_CA_INSIDE = "/run/secrets/ca"


def uv() -> Path:
    """Return the path of the installer, a part of the thin environment."""
    return Path(sys.prefix) / "bin" / "uv"


@contextmanager
def build_context(image: ImageSpec, ingredients: Ingredients) -> Iterator[BuildContext]:
    """Yield the build context of `image`; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="helpers-build-") as name:
        directory = Path(name) / "context"
        directory.mkdir()
        own = ingredients.requirements[-1:]
        (directory / "requirements.txt").write_text("".join(path.read_text() for path in own))
        names = "".join(f"{item}\n" for item in image.system_packages)
        (directory / "system-packages.txt").write_text(image.system_lock or names)
        for script in SCRIPTS:
            shutil.copyfile(script, directory / script.name)
        yield BuildContext(ingredients.base, directory, _secrets(Path(name), image.suite), _tools())


def _secrets(directory: Path, suite: str) -> dict[str, Path]:
    settings = host.settings()
    files = {
        "host_env": settings.shell_file(_CA_INSIDE if settings.ca else None),
        "apt_sources": apt_sources(suite),
    }
    secrets = {}
    for name, text in files.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        secrets[name] = path
    return secrets | ({"ca": settings.ca} if settings.ca else {})


def _tools() -> Path:
    """Return a directory that holds the installer and nothing else."""
    source = uv()
    directory = cache_dir() / "tools" / f"uv-{source.stat().st_size}-{int(source.stat().st_mtime)}"
    use("tools", directory.name)
    if not (directory / "uv").exists():
        directory.mkdir(parents=True, exist_ok=True)
        # Several builds of one run may get here at once.
        aside = directory / f".uv-{os.getpid()}-{os.urandom(4).hex()}"
        shutil.copy2(source, aside)
        os.replace(aside, directory / "uv")
    return directory
