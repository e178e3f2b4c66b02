"""Locks the distribution's packages of a runnable dir, without building an image: apt only simulates the install."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from helpers import checkout_file, config, host, proc
from helpers.console import say
from helpers.engine import argv, client, ownership
from helpers.engine.archive import apt_sources
from helpers.engine.install import install_command
from helpers.engine.specs import RESOLVER
from helpers.errors import ConfigError, InfrastructureError
from helpers.images.recipe import image_layers, outside, system_lock
from helpers.model import archive, image
from helpers.model.image import Base, BaseKind
from helpers.model.runnable import RunnableDir
from helpers.model.system_lock import NAME, SystemLock, drift, moves, parse, preferences
from helpers.thin_env.slow_steps import shown

_SECONDS, _TYPICAL_SECONDS = 600.0, 10.0
# For these a lock always has a section; others only on a machine of that kind.
_ARCHITECTURES = ("amd64", "arm64")
_WITHOUT = "nothing here can ask the distribution: an archive base needs apt-get, an image base a docker engine"


def lock(runnable: RunnableDir, load: config.Loader, *, upgrade: bool) -> list[str]:
    """Write the lock of the packages that `runnable` asks its distribution for; nothing moves that need not.

    Arguments:
        runnable: the directory.
        load: reads the runnable dir at a path, for bases of the kind `dir:`.
        upgrade: whether everything moves to what the archive has now.

    Returns:
        A line for each package that moved.

    Raises:
        ConfigError: the archive does not have a package.
        InfrastructureError: nothing here can ask the archive, or it does not answer; the lock is as it was.
    """
    file = runnable.path / NAME
    wanted = tuple(sorted(runnable.settings.system_packages))
    if not wanted:
        file.unlink(missing_ok=True)
        return []
    layers = image_layers(runnable, load)
    bottom = outside(layers[-1]).base
    before = _read(file)
    if before and not upgrade and not drift(before, str(bottom), wanted):
        return []
    if not _can_resolve(bottom):
        if before is None and not upgrade:
            say(f"{file} is not made: {_WITHOUT}; until then builds take what the archive has")
            return []
        raise InfrastructureError(_WITHOUT, where=file, fix=install_command())
    after = SystemLock(str(bottom), wanted, _resolve(layers, None if upgrade else before))
    checkout_file.write(file, after.text().encode())
    return list(moves(before, after))


def check(runnable: RunnableDir, load: config.Loader) -> None:
    """Return when the lock of `runnable` is that of its settings, or there is none; asks nobody.

    Raises:
        ConfigError: they disagree.
    """
    system_lock(runnable, outside(image_layers(runnable, load)[-1]).base)


def _read(file: Path) -> SystemLock | None:
    try:
        text = checkout_file.read_text_if_there(file)
        return None if text is None else parse(text)
    except ValueError:
        return None


def _can_resolve(bottom: Base) -> bool:
    if bottom.kind is BaseKind.ARCHIVE:
        return bool(shutil.which("apt-get") and apt_sources(bottom.value))
    return not client.why_not_running()


def _resolve(layers: list[RunnableDir], kept: SystemLock | None) -> dict[str, tuple[str, ...]]:
    """Return what the first of `layers` adds, by architecture."""
    bottom = outside(layers[-1])
    below = [layer for layer in layers[1:] if layer.settings.system_packages]
    locks = [found for found in (*(_read(layer.path / NAME) for layer in below), kept) if found]
    native = image.architecture(image.native_platform(os.uname().machine))
    architectures = tuple(sorted({*_ARCHITECTURES, native}))
    given = {
        "architectures": " ".join(architectures),
        "base": " ".join(archive.CONTENT) if bottom.base.kind is BaseKind.ARCHIVE else "",
        "below": " ".join(name for layer in below for name in layer.settings.system_packages),
        "own": " ".join(layers[0].settings.system_packages),
        "sources": apt_sources(bottom.suite),
    }
    for name in architectures:
        given[f"pins_{name}"] = preferences([pin for one in locks for pin in one.pins.get(name, ())])
    found, faults = _answers(_ask(bottom.base, given))
    for name in architectures:
        if name in faults and name != native:
            say(f"{layers[0].path / NAME} has nothing for {name}: {faults[name]}")
            found.pop(name, None)
    if native in faults:
        raise ConfigError(
            f"the distribution's archive does not give its packages: {faults[native]}",
            where=layers[0].settings_file,
            fix=f"mend {layers[0].spelled('system_packages')}",
        )
    return {name: tuple(sorted(found.get(name, ()))) for name in architectures if name not in faults}


def _ask(bottom: Base, given: Mapping[str, str]) -> str:
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in given.items()]
    script = "".join(lines) + RESOLVER.read_text(encoding="utf-8")
    if bottom.kind is BaseKind.ARCHIVE:
        command = ["sh", "-s"]
    else:
        # What an image that is pulled holds already counts, and so do its sources and keys: its own apt is asked.
        script = host.settings().shell_file(None) + script
        command = argv.run_script(bottom.value, ownership.this_owner())
    with shown(f"asking the archive of {bottom} for packages", usual=_TYPICAL_SECONDS):
        done = proc.run(command, stdin=script, timeout=_SECONDS)
    if done.code:
        raise InfrastructureError(f"the distribution's packages could not be resolved: {_plain(done.reason)}")
    return done.stdout


def _answers(output: str) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return pins and faults by architecture."""
    found: dict[str, list[str]] = {}
    faults: dict[str, str] = {}
    for line in output.splitlines():
        architecture, _, rest = line.partition(" ")
        if rest.startswith("E: "):
            faults.setdefault(architecture, _plain(rest.removeprefix("E: ")))
        else:
            found.setdefault(architecture, []).append(rest)
    if any(re.search(r"fetch|resolv|[Cc]onnect", fault) for fault in faults.values()):
        # apt's own words name the mirror, which is a setting of this machine.
        raise InfrastructureError("the distribution's archive gave no answer", fix="apt-get update  (says more)")
    return found, faults


def _plain(text: str) -> str:
    """Return `text` without addresses of mirrors, which are settings of this machine."""
    return re.sub(r"\w+://\S+", "ARCHIVE", text)
