"""Stages of an image's life, and the tags that each one gives: https://semver.org versions, moving names, date tags."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from helpers.console import excerpt
from helpers.errors import UsageError
from helpers.model.version import Version

# What bases are moved on by; `dev` and `prod` are the other moving tags.
LATEST = "latest"


class Stage(Enum):
    """How far an image has come: on one machine, released to the team, released to the world."""

    LOCAL = "local"
    DEV = "dev"
    PROD = "prod"

    def version_tag(self, version: Version, user: str = "") -> str:
        """Return the tag of a version in this stage; those of `dev` and `prod`, once pushed, never change.

        Arguments:
            version: the version.
            user: whose image it is, for the stage `local`; characters that a tag can not hold become dots.
        """
        owner = re.sub(r"[^A-Za-z0-9_.-]", ".", user) + "-" if self is Stage.LOCAL else ""
        return f"{self.value}-{owner}{version}"

    def version_of(self, tag: str) -> Version | None:
        """Return the version that `tag` names in this stage (`dev` or `prod`); None for every other tag."""
        try:
            return Version.parse(tag.removeprefix(f"{self.value}-")) if tag.startswith(f"{self.value}-") else None
        except ValueError:
            return None


def withdrawn_tag(stage: Stage) -> str:
    """Return the tag of the newest version at the last rollback of a stage; no release moves back to it."""
    return f"{stage.value}-rolled-back"


def candidate_tag(version: Version | str, digest: str = "") -> str:
    """Return the tag of a tested `prod` build that waits for its promotion, or what all those of a version begin with.

    Arguments:
        version: the version.
        digest: of the build; empty for the beginning.
    """
    return f"candidate-{version}-{digest.removeprefix('sha256:')[:12]}"


# Whose image a command can run code in: the one of this checkout's files, or the one that was released to the team.
RUN_STAGES = (Stage.LOCAL, Stage.DEV)
# What `docker_build` makes for the engine.
BUILD_STAGES = (Stage.LOCAL, Stage.PROD)
# What a registry holds for others.
RELEASE_STAGES = (Stage.DEV, Stage.PROD)


def parse_stage(text: str, allowed: Sequence[Stage]) -> Stage:
    """Return the stage that the option `--stage` names.

    Raises:
        UsageError: it is none of those allowed.
    """
    stage = next((stage for stage in allowed if stage.value == text), None)
    if stage is None:
        names = [stage.value for stage in allowed]
        raise UsageError(
            f"--stage {text!r} is not {' or '.join(names)}", fix=", or ".join(f"--stage {name}" for name in names)
        )
    return stage


@dataclass(frozen=True, order=True)
class DateTag:
    """The tag of a base, `YYYY.MM.DD.P`: the day it was published, and which one of that day it is."""

    day: datetime.date
    number: int

    @classmethod
    def parse(cls, text: str) -> DateTag:
        """Return the date tag that `text` spells.

        Raises:
            ValueError: it is not four numbers, or no day of the calendar.
        """
        match = re.fullmatch(r"(\d{4})\.(\d{2})\.(\d{2})\.(0|[1-9]\d*)", text, re.ASCII)
        if not match:
            raise ValueError(f"{excerpt(text)} is not a date tag YYYY.MM.DD.P")
        year, month, day, number = (int(part) for part in match.groups())
        return cls(datetime.date(year, month, day), number)

    def __str__(self) -> str:
        return f"{self.day:%Y.%m.%d}.{self.number}"


def date_tags(tags: Iterable[str]) -> list[DateTag]:
    """Return the date tags among `tags`, oldest first."""
    found = set()
    for tag in tags:
        try:
            found.add(DateTag.parse(tag))
        except ValueError:
            continue
    return sorted(found)


def next_date_tag(known: Iterable[str], today: datetime.date) -> DateTag:
    """Return the date tag after all those in `known` that are of `today`; the first of a day has the number 0.

    Arguments:
        known: all tags that anybody knows of: a number that was given once is not given again, even when a tag below it
            was deleted.
        today: the day, in UTC.
    """
    numbers = [tag.number for tag in date_tags(known) if tag.day == today]
    return DateTag(today, max(numbers, default=-1) + 1)
