"""Plans a run: which images are needed and which directories are tested in them, as data, before anything is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers import checkout_file, config, discover
from helpers.console import in_columns, printable
from helpers.containers import rights
from helpers.containers.environment import services_file
from helpers.dirs.lost_tests import LostTests
from helpers.engine.specs import ImageSpec
from helpers.errors import ConfigError, HelpersError, NotCheckedOutError
from helpers.images.recipe import by_key, image_chain
from helpers.model.graph import Step, order
from helpers.model.image import architecture
from helpers.model.policy import Need, Policy, refusal
from helpers.model.runnable import RunnableDir, flat_name

# How long an image may take that is built on a slow machine, from nothing.
_MINUTES_AN_IMAGE = 30
_OFTEN_EMPTY = ("rights", "changed", "verdict")
_COLUMNS = ("directory", "version", "base", "python", "network", *_OFTEN_EMPTY, "images, in the order of building")


@dataclass(frozen=True)
class DirPlan:
    """What will be done for one runnable dir; one for which nothing can be done carries the `error` instead.

    Arguments:
        name: its path relative to the root.
        runnable: what its files say.
        chain: the images it needs, bases first.
        error: why nothing can be done.
        changed: what of it changed, where only what changed is asked for.
        cached: whether a kept verdict would answer for it, as far as that was looked for.
        needs: the rights that it needs.
        rights: the rights that the policy grants.
    """

    name: str
    runnable: RunnableDir | None = None
    chain: tuple[ImageSpec, ...] = ()
    error: HelpersError | None = None
    changed: str = ""
    cached: bool = False
    needs: tuple[Need, ...] = ()
    rights: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The key of its step."""
        return f"test {self.name}"

    @property
    def fault_kind(self) -> str:
        """What its `error` makes of it: `skip` when it needs what this user may have no access to."""
        return "skip" if isinstance(self.error, NotCheckedOutError) else "error"


@dataclass(frozen=True)
class Plan:
    """All that a run will do: the directories, and the steps in an order that can be followed.

    Arguments:
        tier: which tests.
        dirs: the directories.
        images: by key.
        steps: each after what it needs.
        shard: which part of a whole it is, where several machines share the work.
        shard_jobs: the rows of a CI matrix for all parts of this whole.
        lost: tracked test files that none of the repo's directories collects.
    """

    tier: str
    dirs: tuple[DirPlan, ...]
    images: dict[str, ImageSpec]
    steps: tuple[Step, ...]
    shard: dict[str, Any] | None = None
    shard_jobs: tuple[dict[str, Any], ...] = ()
    lost: LostTests = field(default_factory=LostTests)

    def as_data(self) -> dict[str, Any]:
        """Return the plan as plain data, for a CI matrix or another program."""
        return {
            "tier": self.tier,
            **({"shard": self.shard, "shard_jobs": list(self.shard_jobs)} if self.shard else {}),
            "directories": [_dir_data(item) for item in self.dirs],
            "jobs": [job for item in self.dirs for job in _jobs(item)],
            "lost_tests": list(self.lost.files),
            "steps": [{"step": step.key, "needs": list(step.needs)} for step in self.steps],
        }

    def as_text(self, width: int | None = None, shown: Callable[[str], str] = str) -> str:
        """Return the plan as lines for a person: one for each directory, with the images it needs.

        Arguments:
            width: columns of a line, in which there may be no room for images; None is any number.
            shown: makes of the name of a directory the path that is shown.
        """
        rows = [_COLUMNS, *((shown(item.name), *_row(item)[1:]) for item in self.dirs)]
        kept = [at for at, name in enumerate(_COLUMNS) if name not in _OFTEN_EMPTY or any(row[at] for row in rows[1:])]
        rows = [tuple(printable(row[at]) for at in kept) for row in rows]
        lines = in_columns(rows, width)
        if len(lines) > len(rows):
            # An error stands in the place of the images.
            wrong = [False, *(bool(item.error) for item in self.dirs)]
            rows = [row if is_wrong else (*row[:-1], "") for row, is_wrong in zip(rows, wrong, strict=True)]
            lines = in_columns(rows, width, spare=("network", "python"))
        return "\n".join(lines)


def make(
    root: Path,
    paths: Sequence[Path],
    every: Sequence[Path],
    tier: str,
    chain_of: Callable[[RunnableDir], Sequence[ImageSpec]] | None = None,
    *,
    checkouts: Sequence[Path] = (),
    policy: Policy | None = None,
) -> Plan:
    """Return the plan for the runnable dirs `paths` of the repo at `root`.

    Arguments:
        root: absolute path of the repo.
        paths: absolute paths of the selected runnable dirs.
        every: absolute paths of all runnable dirs of the repo.
        tier: which tests: `fast`, `slow`, `superslow` or `all`.
        chain_of: says which images a directory needs, bases first; by default those of this checkout's files.
        checkouts: absolute paths of submodules whose runnable dirs are in `every`.
        policy: the rights of directories; None if no test will run.
    """
    load = config.loader(root, every, checkouts)
    dirs = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        needed: tuple[Need, ...] = ()
        try:
            runnable = load(path)
            discover.check_checked_out(root, [Path(os.path.realpath(path / used)) for used in runnable.settings.uses])
            needed = tuple(rights.needs(runnable))
            if policy and (missing := policy.missing(name, needed)):
                raise refusal(name, missing, policy.text)
            chain = tuple(chain_of(runnable) if chain_of else image_chain(runnable, load))
            granted = policy.rights_of(name) if policy else ()
            dirs.append(DirPlan(name, runnable, chain, needs=needed, rights=granted))
        except HelpersError as error:
            dirs.append(DirPlan(name, error=error, needs=needed))
        except PermissionError as error:
            dirs.append(DirPlan(name, error=_unreadable(error, name), needs=needed))
    dirs = _with_name_clashes(dirs)
    images = by_key({item.name: list(item.chain) for item in dirs})
    steps = [Step(image_step(key), _needs(image)) for key, image in images.items()]
    steps += [Step(item.step, (image_step(item.chain[-1].key),)) for item in dirs if item.chain]
    position = {key: index for index, key in enumerate(order(steps))}
    return Plan(tier, tuple(dirs), images, tuple(sorted(steps, key=lambda step: position[step.key])))


def _unreadable(error: PermissionError, name: str) -> ConfigError:
    return checkout_file.unreadable(error, Path(error.filename or name))


def checked(plan: Plan, check: Callable[[RunnableDir, Sequence[ImageSpec]], None]) -> Plan:
    """Return the plan with an error, and without images, in each directory for which `check` raises an error."""
    faults: dict[str, DirPlan] = {}
    for item in plan.dirs:
        try:
            if item.runnable and item.chain:
                check(item.runnable, item.chain)
        except HelpersError as error:
            faults[item.name] = DirPlan(item.name, error=error)
        except PermissionError as error:
            faults[item.name] = DirPlan(item.name, error=_unreadable(error, item.name))
    left = without(plan, faults)
    return replace(left, dirs=tuple(faults.get(item.name, item) for item in plan.dirs)) if faults else plan


def with_faults(plan: Plan, root: Path, faults: Mapping[Path, HelpersError]) -> Plan:
    """Return the plan with a row for each place whose runnable dirs are unknown.

    Arguments:
        plan: the plan of the known runnable dirs.
        root: absolute path of the repo.
        faults: why they are unknown, by the absolute path of the place.
    """
    rows = [DirPlan(path.relative_to(root).as_posix(), error=error) for path, error in sorted(faults.items())]
    return replace(plan, dirs=(*plan.dirs, *rows)) if rows else plan


def on_platform(plan: Plan, platform: str) -> Plan:
    """Return the plan without the directories that have no CI job on `platform`, as in `linux/arm64`."""
    return without(plan, {item.name for item in plan.dirs if platform not in platforms_of(item)})


def without(plan: Plan, names: Container[str]) -> Plan:
    """Return a plan without directories that need no tests any more, and without the images that only they needed.

    Arguments:
        plan: the whole plan.
        names: of those directories.
    """
    dirs = tuple(item for item in plan.dirs if item.name not in names)
    images = by_key({item.name: list(item.chain) for item in dirs})
    kept = {*(image_step(key) for key in images), *(item.step for item in dirs)}
    return replace(plan, dirs=dirs, images=images, steps=tuple(step for step in plan.steps if step.key in kept))


def _with_name_clashes(dirs: list[DirPlan]) -> list[DirPlan]:
    """Return `dirs`, with an error in each of those whose images would have the same name."""
    owners: dict[str, list[str]] = {}
    for item in dirs:
        if item.runnable:
            owners.setdefault(item.runnable.repository, []).append(item.name)
    checked = []
    for item in dirs:
        same = owners[item.runnable.repository] if item.runnable else []
        if len(same) > 1 and item.runnable:
            what = f"the image name {item.runnable.changelog.name!r} is used by {' and '.join(same)}"
            where = item.runnable.path / "changelog.txt"
            fault = ConfigError(what, where=where, fix="give one of them another name")
            checked.append(DirPlan(item.name, error=fault))
        else:
            checked.append(item)
    return checked


def image_step(key: str) -> str:
    """Return the key of the step that gets the image `key`."""
    return f"image {key}"


def _row(item: DirPlan) -> tuple[str, ...]:
    more = (" ".join(_items(item)), item.changed, "cached" if item.cached else "")
    if not item.runnable:
        fault = f"{item.fault_kind}: {item.error.summary if item.error else ''}"
        return (item.name, "-", "-", "-", "-", *more, fault)
    settings = item.runnable.settings
    own = (str(item.runnable.version), settings.base, item.runnable.requires_python or "any", settings.network)
    return (item.name, *own, *more, " <- ".join(image.reference for image in item.chain))


def _items(item: DirPlan) -> list[str]:
    """Return the items of a policy that grants the needs of a directory."""
    return list(dict.fromkeys(need.item for need in item.needs))


def _needs(image: ImageSpec) -> tuple[str, ...]:
    return (image_step(image.parent),) if image.parent else ()


def platforms_of(item: DirPlan) -> tuple[str, ...]:
    """Return the platforms of the directory's released images: each of them has a CI job.

    Without a setting, and without readable files, it is the usual runner of CI.
    """
    return (item.runnable.settings.platforms if item.runnable else ()) or ("linux/amd64",)


def _jobs(item: DirPlan) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CI matrix: a job for each platform of the directory's released images."""
    data = _dir_data(item)
    for platform in platforms_of(item):
        usual = platform == "linux/amd64"
        yield {
            "name": item.name if usual else f"{item.name} ({platform})",
            "directory": item.name,
            # No other directory has this id: a `~` stands before two hexadecimal digits.
            "id": data["id"] if usual else f"{data['id']}~{architecture(platform)}",
            "platform": platform,
            "minutes": data.get("minutes"),
            "builds": data.get("builds", []),
        }


def _dir_data(item: DirPlan) -> dict[str, Any]:
    ident = flat_name(item.name)
    needed = {"rights": items} if (items := _items(item)) else {}
    if item.error or not item.runnable:
        fault = item.error.summary if item.error else ""
        return {"directory": item.name, "id": ident, item.fault_kind: fault, **needed}
    return {
        "directory": item.name,
        "id": ident,
        **({"changed": item.changed} if item.changed else {}),
        **needed,
        "cached": item.cached,
        "image": item.chain[-1].reference,
        "version": str(item.runnable.version),
        "base": item.runnable.settings.base,
        "python": item.runnable.requires_python,
        "system_packages": list(item.runnable.settings.system_packages),
        "network": item.runnable.settings.network,
        "docker": item.runnable.settings.docker,
        "services": services_file(item.runnable) is not None,
        "timeout": item.runnable.settings.timeout,
        "minutes": -(-item.runnable.settings.timeout // 60) + _MINUTES_AN_IMAGE * len(item.chain),
        "builds": [image.reference for image in item.chain],
    }
