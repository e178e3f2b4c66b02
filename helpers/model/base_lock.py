"""The format of `devops/base.lock`: which published image a runnable dir's image is built on, by digest.

Every line is `key = "value"`, which is TOML too, so that a move to another base is a few changed lines in a diff.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, fields

from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.model.stage import DateTag, Stage

PATH = "devops/base.lock"
_HEAD = "# The base that this directory's image is built on. Written by `invoke docker_bases --update`; commit it.\n"
_LINE = re.compile(r'([a-z]+) = "([^"\\]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NEEDED = ("base", "name", "digest", "recorded")


@dataclass(frozen=True)
class BaseLock:
    """A recorded base.

    Arguments:
        base: the setting `base` that it was recorded for.
        name: the image, `REPOSITORY:TAG`.
        digest: what it was then: the image, or the index of one for each platform.
        recorded: the day on which it was the newest, in UTC.
        prod: digest of what images of the stage `prod` are built on; empty if that is `digest` too.
        inputs: hash of what it was built from; empty if it is none of ours.
        suite: suite of the distribution at its bottom, if that is an `archive:`.
        platforms: what it was built for, as in `linux/amd64,linux/arm64`.
    """

    base: str
    name: str
    digest: str
    recorded: datetime.date
    prod: str = ""
    inputs: str = ""
    suite: str = ""
    platforms: str = ""

    def reference(self, stage: Stage) -> str:
        """Return the reference that an image of `stage` is built on: the name for people, the digest for the engine."""
        if stage is Stage.PROD and self.prod:
            return f"{prod_tag(self.name)}@{self.prod}"
        return f"{self.name}@{self.digest}"

    @property
    def repository(self) -> str:
        """Its name without the tag."""
        return self.name.rpartition(":")[0]

    @property
    def tag(self) -> str:
        """The tag in its name."""
        return self.name.rpartition(":")[2]

    def age(self, today: datetime.date) -> int:
        """Return how old it is, in days: since its date tag, or since it was recorded if it has none."""
        try:
            return (today - DateTag.parse(self.tag).day).days
        except ValueError:
            return (today - self.recorded).days

    def __str__(self) -> str:
        lines = [f'{item.name} = "{value}"\n' for item in fields(self) if (value := getattr(self, item.name))]
        return _HEAD + "".join(lines)


def prod_tag(name: str) -> str:
    """Return the name (or the tag) of what images of the stage `prod` are built on, beside a published base `name`."""
    return f"{name}-prod"


def parse(text: str, where: str) -> BaseLock:
    """Return the record that `text` spells.

    Arguments:
        text: the file's content.
        where: the file's path, for messages.

    Raises:
        ConfigError: with file and line of the first thing that is wrong.
    """
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if not match or match[1] not in {item.name for item in fields(BaseLock)}:
            raise _wrong(f'expected a line like digest = "sha256:...", not {excerpt(line)}', f"{where}:{number}")
        if match[1] in found:
            raise _wrong(f"says {match[1]} twice", f"{where}:{number}")
        found[match[1]], lines[match[1]] = match[2], number
    for key in _NEEDED:
        if not found.get(key):
            raise _wrong(f"does not say its {key}", f"{where}:{lines.get(key, 1)}")
    for key in ("digest", "prod"):
        if found.get(key) and not _DIGEST.fullmatch(found[key]):
            raise _wrong(f"{key} {excerpt(found[key])} is not sha256: and 64 digits", f"{where}:{lines[key]}")
    if ":" not in found["name"].rpartition("/")[2] or "@" in found["name"]:
        raise _wrong(f"name {excerpt(found['name'])} is not REPOSITORY:TAG", f"{where}:{lines['name']}")
    try:
        recorded = datetime.date.fromisoformat(found.pop("recorded"))
    except ValueError:
        raise _wrong("recorded is not a day like 2026-11-21", f"{where}:{lines['recorded']}") from None
    return BaseLock(recorded=recorded, **found)


def _wrong(what: str, where: str) -> ConfigError:
    return ConfigError(what, where=where, fix="git checkout it, or: invoke docker_bases --update")
