"""The installer, for every architecture that an image is built for."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from helpers import host, proc, thin_env
from helpers.errors import InfrastructureError
from helpers.model.image import architecture, native_platform
from helpers.storage import cache_dir, digest, scratch, use

_REQUIREMENTS = Path(thin_env.__file__).with_name("requirements.txt")
# https://docs.astral.sh/uv/reference/cli/#uv-pip-install--python-platform
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_SECONDS = 300.0


def uv() -> Path:
    """Return the path of the installer, a part of the thin environment."""
    return Path(sys.prefix) / "bin" / "uv"


def tools(platforms: tuple[str, ...]) -> Path:
    """Return a directory with the installer, `uv`, and with one for each architecture: `amd64/uv`, `arm64/uv`.

    Arguments:
        platforms: what is built for; empty is what this machine is.

    Raises:
        InfrastructureError: the one of another architecture can not be fetched.
    """
    source = uv()
    directory = cache_dir() / "tools" / f"uv-{digest(_pinned())[:16]}-{source.stat().st_size}"
    use("tools", directory.name)
    native = architecture(native_platform(os.uname().machine))
    _put(source, directory / "uv")
    _put(source, directory / native / "uv")
    for platform in platforms:
        target = directory / architecture(platform) / "uv"
        if not target.exists():
            _fetch(architecture(platform), target)
    return directory


def _pinned() -> str:
    """Return the lines that pin the installer in the thin environment's requirements, with hashes of all platforms."""
    text = _REQUIREMENTS.read_text()
    start = text.index("\nuv==") + 1
    lines = []
    for line in text[start:].splitlines():
        lines.append(line)
        if not line.endswith("\\"):
            break
    return "\n".join(lines) + "\n"


def _fetch(arch: str, target: Path) -> None:
    settings = host.settings()
    env = {**host.tool_environment("UV_"), **settings.environment(str(settings.ca) if settings.ca else None)}
    with scratch() as aside:
        pinned = aside / "requirements.txt"
        pinned.write_text(_pinned())
        argv = [str(uv()), "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        argv += ["--python-platform", _PLATFORMS[arch], "--python", sys.executable]
        done = proc.run(
            [*argv, "--target", str(aside / "to"), "--requirements", str(pinned)], env=env, timeout=_SECONDS
        )
        if done.code:
            raise InfrastructureError(
                f"the installer for {arch} could not be fetched: {done.reason}", fix="invoke doctor"
            )
        _put(aside / "to" / "bin" / "uv", target)


def _put(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Several builds of one run may get here at once.
    aside = target.with_name(f".uv-{os.getpid()}-{os.urandom(4).hex()}")
    shutil.copy2(source, aside)
    os.replace(aside, target)
