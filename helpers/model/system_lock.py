"""The format of `devops/system-packages.lock`: what an image adds of the distribution to its base."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from helpers.console import excerpt

NAME = "devops/system-packages.lock"
_HEAD = """\
# Made by `invoke docker_lock`; do not edit it. Every package that the image adds to its base, for each architecture.
"""
_PIN = re.compile(r"[a-z0-9][a-z0-9+.-]*=[A-Za-z0-9.+:~-]+")


@dataclass(frozen=True)
class SystemLock:
    """What one lock says.

    Arguments:
        base: what is at the bottom of the image, as in the settings; it was resolved against this.
        wanted: `system_packages` of the directory, sorted.
        pins: `name=version` of each package, by the distribution's name of the architecture; sorted.
    """

    base: str
    wanted: tuple[str, ...]
    pins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self) -> str:
        """Return the content of the file."""
        lines = [f"# base: {self.base}", f"# packages: {' '.join(self.wanted)}"]
        for architecture, pins in sorted(self.pins.items()):
            lines += ["", f"[{architecture}]", *pins]
        return _HEAD + "\n".join(lines) + "\n"


def parse(text: str) -> SystemLock:
    """Return what `text` says.

    Raises:
        ValueError: it is not such a lock; the message names the line.
    """
    said: dict[str, str] = {}
    pins: dict[str, list[str]] = {}
    section: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.fullmatch(r"# (base|packages): (.*)", line):
            said[found.group(1)] = found.group(2)
        elif found := re.fullmatch(r"\[([a-z0-9-]+)\]", line):
            section = pins.setdefault(found.group(1), [])
        elif line and not line.startswith("#"):
            if section is None or not _PIN.fullmatch(line):
                raise ValueError(f"line {number} is no `name=version` in a section: {excerpt(line)}")
            section.append(line)
    if "base" not in said or "packages" not in said:
        raise ValueError("it does not say for which base and packages it was made")
    return SystemLock(said["base"], tuple(said["packages"].split()), {key: tuple(value) for key, value in pins.items()})


def drift(lock: SystemLock, base: str, wanted: Sequence[str]) -> str:
    """Return why `lock` is not that of a directory whose settings say `base` and `wanted`; empty when it is."""
    if lock.base != base:
        return f"it was made for the base {lock.base}, and the settings say {base}"
    if missing := sorted(set(wanted) - set(lock.wanted)):
        return f"it does not have {', '.join(missing)}"
    if more := sorted(set(lock.wanted) - set(wanted)):
        return f"it has {', '.join(more)}, which the settings do not name any more"
    return ""


def moves(before: SystemLock | None, after: SystemLock) -> Iterator[str]:
    """Yield a line for each package that is another in `after` than in `before`, by architecture and name."""
    for architecture, pins in after.pins.items():
        old = _versions(before.pins.get(architecture, ()) if before else ())
        new = _versions(pins)
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield f"{name} ({architecture})  {old.get(name, '(new)')} -> {new.get(name, '(gone)')}"


def _versions(pins: Sequence[str]) -> dict[str, str]:
    return {name: version for name, _, version in (pin.partition("=") for pin in pins)}


def preferences(pins: Sequence[str]) -> str:
    """Return the text that keeps `pins` at their versions while the archive has them (apt_preferences(5))."""
    # Above 1000 a version is taken even if it is older than what is there.
    parts = (pin.partition("=") for pin in pins)
    return "\n".join(f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n" for name, _, version in parts)
