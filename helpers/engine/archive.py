"""Bases of the kind `archive:SUITE`: a minimal root file system from the distribution's own package archive."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from helpers import proc
from helpers.engine.install import install_command
from helpers.engine.seam import Control
from helpers.engine.specs import ImageSpec
from helpers.engine.supervise import supervise
from helpers.errors import BuildError, InfrastructureError
from helpers.model import archive
from helpers.model.image import architecture, native_platform
from helpers.storage import cache_dir, digest, locked, scratch, use
from helpers.thin_env.slow_steps import shown

_SECONDS = 1800.0
_TYPICAL_SECONDS, _EMULATED_SECONDS = 30.0, 300.0


@contextmanager
def assembled_archive(image: ImageSpec, log: Path, control: Control) -> Iterator[Path]:
    """Yield a directory with a recipe for the archive base `image`, and the root file systems that it is made of.

    A root file system is assembled once for each architecture and kept, keyed by what made it.

    Raises:
        BuildError: the archive does not give it.
        InfrastructureError: the tool that assembles it is missing.
    """
    archives = cache_dir() / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    made = digest(archive.recipe())[:16]
    with scratch() as directory:
        (directory / "Dockerfile").write_text(archive.DOCKERFILE)
        for platform in image.platforms or (native_platform(os.uname().machine),):
            arch = architecture(platform)
            kept = archives / f"{image.base.value}-{made}-{arch}.tar"
            use("archives", kept.name)
            with locked(f"{kept.name}.lock", stop=lambda: bool(control.level)):
                if not kept.exists():
                    _assemble(image.base.value, arch, kept, log, control)
            os.link(kept, directory / f"rootfs-{arch}.tar")
        yield directory


def _assemble(suite: str, arch: str, target: Path, log: Path, control: Control) -> None:
    if not shutil.which("mmdebstrap"):
        raise InfrastructureError(
            f"archive:{suite} needs mmdebstrap, which is not on this machine", fix=install_command()
        )
    # A name that no other process writes to: one that outlived its killed driver must not spoil this one's work.
    for left in target.parent.glob(f"{target.stem}.*.new.tar"):
        left.unlink()
    # The end of the name tells mmdebstrap what to make.
    aside = target.with_name(f"{target.stem}.{os.getpid()}-{os.urandom(4).hex()}.new.tar")
    command = ["mmdebstrap", "--variant=minbase", f"--architectures={arch}", f"--include={','.join(archive.PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in archive.LEFT_OUT]
    # The licence texts stay: they must go wherever the packages go.
    command += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    # The mirror is a setting of this machine: it reaches later installs as a secret and stays in no layer.
    sources = _sources_file(suite)
    command += [f"--customize-hook=download /etc/apt/sources.list {shlex.quote(str(sources))}"]
    command += ['--customize-hook=rm "$1/etc/apt/sources.list"', suite, str(aside), *_mirror_lines(suite)]
    child = proc.Child(command)
    child.close_input()
    # Programs of another architecture are emulated.
    usual = _TYPICAL_SECONDS if arch == architecture(native_platform(os.uname().machine)) else _EMULATED_SECONDS
    with shown(f"assembling archive:{suite} for {arch}", usual=usual, output=log):
        ended = supervise(child, log, _SECONDS, control, [(child.terminate, 10.0), (child.kill, 5.0)])
    ended.check_complete(f"archive:{suite}", log)
    if ended.code:
        # The first says why; those after it only that it failed.
        lines = [line for line in ended.output.splitlines() if line.startswith("E:")] or ["no reason given"]
        suites = archive.PYTHON_OF_SUITE
        known = f"; the suites that we know are {', '.join(suites)}" if suite not in suites else ""
        raise BuildError(f"archive:{suite} could not be assembled: {lines[0]}{known}", fix=f"read {log}")
    os.replace(aside, target)


@cache
def _mirrors() -> dict[str, str]:
    """Return the mirrors that this machine's apt uses for Debian, as {"main": URL, "security": URL}."""
    if not shutil.which("apt-get"):
        return {}
    form = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)"
    done = proc.run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        origin, codename, url = line.split("|")
        if origin == "Debian":
            found.setdefault("security" if codename.endswith("-security") else "main", url)
    return found


def _mirror_lines(suite: str) -> list[str]:
    """Return sources for `suite` on this machine's mirrors; without any, mmdebstrap takes the distribution's own."""
    mirrors = _mirrors()
    lines = [f"deb {mirrors['main']} {name} main" for name in (suite, f"{suite}-updates") if "main" in mirrors]
    return lines + [f"deb {mirrors['security']} {suite}-security main" for _ in range("security" in mirrors)]


def apt_sources(suite: str) -> str:
    """Return the content of a `sources.list` for an image on an archive base; empty for other images (no suite)."""
    if not suite:
        return ""
    used = _sources_file(suite)
    return used.read_text() if used.exists() else "".join(f"{line}\n" for line in _mirror_lines(suite))


def _sources_file(suite: str) -> Path:
    return cache_dir() / "archives" / f"{suite}.sources.list"
