"""Says, for every runnable dir, which image it needs: a pure function of its files."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from helpers import config, discover, host, pyproject
from helpers.console import excerpt
from helpers.engine.specs import SCRIPTS, Distribution, ImageSpec
from helpers.errors import ConfigError, HelpersError, StaleError
from helpers.images import code, lock_source
from helpers.images.lock_source import LockSource
from helpers.model import archive
from helpers.model import image as names
from helpers.model import system_lock as system_locks
from helpers.model.graph import Step, order
from helpers.model.image import Base, BaseKind
from helpers.model.lock_kind import LockKind
from helpers.model.runnable import RunnableDir
from helpers.model.sibling import Sibling
from helpers.model.stage import Stage
from helpers.storage import digest

SHARED_DOCKERFILE = Path(__file__).with_name("Dockerfile")
# Counted up when images built by an older version of this toolchain must not be used any more.
_FORMAT = "2"


def image_chain(
    runnable: RunnableDir, load: config.Loader, stage: Stage = Stage.LOCAL, platforms: tuple[str, ...] = ()
) -> list[ImageSpec]:
    """Return the images that `runnable` needs, bases first, its own last.

    Arguments:
        runnable: the directory.
        load: reads the runnable dir at a path, for bases of the kind `dir:`.
        stage: `prod` for images that hold the code and only what it needs; so do those below.
        platforms: what the images are for; empty, and this machine's own alone, is what the engine runs on.

    Raises:
        ConfigError: a base is no runnable dir, lies outside the repo, or bases stand on each other in a circle; a base
            that is pulled by a tag has no recorded digest.
    """
    if platforms == (names.native_platform(os.uname().machine),):
        platforms = ()
    layers = image_layers(runnable, load)
    chain = [outside(layers[-1], stage, platforms)]
    # Packages of the distribution are locked for the base of the local stage.
    bottom = chain[0].base if stage is Stage.LOCAL else outside(layers[-1]).base
    for layer in reversed(layers):
        chain.append(_image(layer, chain, bottom))
    return chain


def image_layers(runnable: RunnableDir, load: config.Loader) -> list[RunnableDir]:
    """Return `runnable` and the runnable dirs below it, nearest first, down to one whose base is pulled or assembled.

    A recorded base is pulled: what is published has the name and the digest, today's source of it has not.
    """
    layers = [runnable]
    while layers[-1].base.kind is BaseKind.DIR and not config.read_base_lock(layers[-1]):
        top = layers[-1]
        path = Path(os.path.realpath(top.path / top.base.value))
        where = top.settings_file
        if not path.is_relative_to(top.root):
            raise ConfigError(f"{top.spelled('base')} {excerpt(top.settings.base)} leads out of the repo", where=where)
        if path in [layer.path for layer in layers]:
            # The graph's own check words the circle.
            order(Step(one.name, (other.name,)) for one, other in zip(layers, [*layers[1:], load(path)], strict=True))
        discover.check_checked_out(top.root, [path])
        if not (discover.is_runnable(path) or discover.lost_marks(path)):
            raise _no_base(top, path)
        try:
            layers.append(load(path))
        except HelpersError as error:
            place = f"{error.where}: " if error.where else ""
            what = f"base {excerpt(top.settings.base)} is not a sound runnable dir: {place}{error.what}"
            raise ConfigError(what, where=where, why=error.why, fix=error.fix) from None
    return layers


def _no_base(top: RunnableDir, path: Path) -> ConfigError:
    """Return the error about a `dir:` base outside of runnable dirs, with the neighbour of the most similar name."""
    what = "is not a runnable dir" if path.exists() else "does not exist"
    beside = [one for one in (path.parent, top.path.parent) if one.is_dir()]
    places = [one / name for one in beside for name in sorted(os.listdir(one))]
    known = {os.path.relpath(one, top.path): one for one in places if one != path}
    near = discover.nearest_path(os.path.relpath(path, top.path), known, lambda name: discover.is_runnable(known[name]))
    fix = f'write base = "dir:{near}"' if near else "invoke dir_list  (names all runnable dirs)"
    return ConfigError(f"base {excerpt(top.settings.base)} {what}", where=top.settings_file, fix=fix)


def outside(layer: RunnableDir, stage: Stage = Stage.LOCAL, platforms: tuple[str, ...] = ()) -> ImageSpec:
    """Return the image at the bottom, which belongs to no directory: what `layer`, the lowest one, stands on.

    Raises:
        ConfigError: it is pulled by a tag and has no recorded digest, or its record is wrong.
    """
    recorded = config.read_base_lock(layer)
    if recorded:
        labels = {names.LABEL_INPUTS: recorded.inputs} if recorded.inputs else {}
        return _pulled(recorded.reference(stage), stage, platforms, suite=recorded.suite, labels=labels)
    if layer.base.kind is BaseKind.IMAGE:
        if "@" not in layer.base.value:
            raise ConfigError(
                f"the base {excerpt(str(layer.base))} has no recorded digest",
                where=layer.settings_file,
                why="a tag may be another image tomorrow",
                fix=config.update_command(layer.path),
            )
        return _pulled(layer.base.value, stage, platforms)
    return _assembled(layer.base, stage, platforms)


def _pulled(
    reference: str,
    stage: Stage,
    platforms: tuple[str, ...],
    suite: str = "",
    labels: Mapping[str, str] | None = None,
) -> ImageSpec:
    name, _, digest_text = reference.partition("@")
    return ImageSpec(
        # One name may stand for several digests in one plan.
        key=f"{name}@{digest_text[:19]}",
        reference=reference,
        inputs=digest(reference, stage.value if stage is Stage.PROD else "", _platform_text(platforms)),
        base=Base(BaseKind.IMAGE, reference),
        suite=suite,
        stage=stage,
        platforms=platforms,
        labels=labels or {},
    )


def _assembled(base: Base, stage: Stage, platforms: tuple[str, ...]) -> ImageSpec:
    spec = ImageSpec(
        key=str(base), reference="", inputs="", base=base, suite=base.value, stage=stage, platforms=platforms
    )
    inputs = digest(_FORMAT, base.value, archive.recipe(), spec.target, _platform_text(platforms))
    return replace(
        spec,
        reference=f"{names.repository('', 'helpers-archive')}:{base.value}-{inputs[:16]}",
        inputs=inputs,
        labels={names.LABEL_TITLE: str(base), names.LABEL_INPUTS: inputs},
    )


def _platform_text(platforms: tuple[str, ...]) -> str:
    return ",".join(platforms or (names.native_platform(os.uname().machine),))


def _image(runnable: RunnableDir, below: Sequence[ImageSpec], bottom: Base) -> ImageSpec:
    parent = below[-1]
    own = runnable.path / "devops" / "Dockerfile"
    dockerfile = own if os.path.lexists(own) else SHARED_DOCKERFILE
    prod = parent.stage is Stage.PROD
    there = {one.place for image in below for one in image.distributions}
    built = _distributions(runnable, there, prod=prod, is_own=dockerfile == own)
    projects = [one for one in built if one.place == runnable.path]
    # The code of a project is its wheel.
    copied = code.files(runnable) if prod and (not projects or runnable.settings.code) else ()
    packages = projects[0].files if projects else copied
    entrypoint = code.entrypoint(runnable, packages) if prod and dockerfile != own else ()
    locked = system_lock(runnable, bottom)
    more = [locked, code.fingerprint(copied), *entrypoint, *(item.inputs for item in built)]
    source = lock_source.of(runnable.path)
    inputs = _inputs(runnable, parent, source, dockerfile, more)
    return ImageSpec(
        key=runnable.name,
        reference=f"{runnable.repository}:{names.inputs_tag(inputs)}",
        # Only what a person works in has a name for people.
        tags=() if prod else (f"{runnable.repository}:{Stage.LOCAL.version_tag(runnable.version, host.user().name)}",),
        inputs=inputs,
        base=runnable.base,
        parent=parent.key,
        directory=runnable.path,
        labels={
            names.LABEL_TITLE: runnable.changelog.name,
            names.LABEL_VERSION: str(runnable.version),
            names.LABEL_DIR: runnable.name,
            names.LABEL_INPUTS: inputs,
            names.LABEL_BASE_NAME: _base_name(runnable, parent),
            **({names.LABEL_SUITE: parent.suite} if parent.suite else {}),
        },
        requires_python=lock_source.requires_python(runnable, source),
        system_packages=runnable.settings.system_packages,
        system_lock=locked,
        suite=parent.suite,
        dockerfile=dockerfile,
        stage=parent.stage,
        platforms=parent.platforms,
        code=copied,
        entrypoint=entrypoint,
        distributions=built,
    )


def _distributions(
    runnable: RunnableDir, there: Collection[Path], *, prod: bool, is_own: bool
) -> tuple[Distribution, ...]:
    """Return the distributions in the image of a runnable dir: of its siblings, then its own.

    Arguments:
        runnable: the directory.
        there: absolute paths of the projects that are in the images below.
        prod: whether the image holds all that it runs.
        is_own: whether the image is built by a recipe of its own, which installs no project by itself.
    """
    if not runnable.build and not runnable.siblings:
        return ()
    from helpers.images import distribution  # most directories build nothing

    found = [distribution.sibling_project(one, runnable.root) for one in _siblings(runnable, prod=prod, is_own=is_own)]
    own = distribution.own_project(runnable)
    projects = [one for one in found if one and one.path not in there] + ([own] if own else [])
    for one, other in combinations(projects, 2):
        if one.name == other.name:
            places = " and ".join(os.path.relpath(project.path, runnable.path) for project in (one, other))
            what = f"needs two projects with the name {excerpt(one.name)}: {places}"
            why = "a container finds a checkout by the name"
            raise ConfigError(what, where=runnable.path, why=why, fix="give one of them another name")
    return () if is_own else tuple(distribution.of(project, prod=prod) for project in projects)


def _siblings(runnable: RunnableDir, *, prod: bool, is_own: bool) -> tuple[Sibling, ...]:
    """Return the siblings of a runnable dir that its image must hold."""
    if not runnable.siblings:
        return ()
    from helpers.manifest import siblings  # slow to import, and most directories have none

    siblings.check(runnable.siblings, runnable.root)
    if not prod:
        return tuple(one for one in runnable.siblings if not one.is_used)
    found = siblings_in_prod(runnable)
    siblings.check(found, runnable.root, prod=True)
    for one in found:
        if is_own or not one.build:
            what = f"depends on {os.path.relpath(one.path, runnable.path)}, which its image of prod cannot hold"
            why, fix = "the project has no build backend", f"add [build-system] to {one.path / 'pyproject.toml'}"
            if is_own:
                why = "an image with a Dockerfile of its own gets no wheels of siblings"
                fix = f"git rm {shlex.quote(str(runnable.path / 'devops' / 'Dockerfile'))}"
            raise ConfigError(what, where=runnable.path, why=why, fix=fix)
    return found


def siblings_in_prod(runnable: RunnableDir) -> tuple[Sibling, ...]:
    """Return the siblings whose wheels an image of prod holds: the siblings of a plain installation."""
    if all(one.is_used for one in runnable.siblings):
        return ()
    from helpers.manifest import siblings  # as above

    return siblings.of(runnable.path, runnable.root, runnable.settings, prod=True)


def _base_name(runnable: RunnableDir, parent: ImageSpec) -> str:
    """Return what an image says of its base: the reference of one that is pulled, or else the setting."""
    pulled = not parent.directory and parent.base.kind is BaseKind.IMAGE
    return parent.base.value.partition("@")[0] if pulled else str(runnable.base)


def _inputs(runnable: RunnableDir, parent: ImageSpec, source: LockSource, dockerfile: Path, more: Sequence[str]) -> str:
    project = pyproject.read_if_there(runnable.path)
    tool, settings = project.get("tool", {}), runnable.settings
    # The lock repeats these; they are here so that an edit without a new lock is noticed.
    wanted = [project.get("project", {}), project.get("dependency-groups"), tool.get("poetry")]
    if source.kind is not LockKind.POETRY:
        wanted += [source.kind.name, tool.get("uv"), tool.get("pdm")]
    if settings.groups or settings.extras:
        wanted += [settings.groups, settings.extras]
    if source.is_derived:
        wanted = [source.manifest()]
    return digest(
        _FORMAT,
        parent.inputs,
        config.read_shared(dockerfile) if dockerfile == SHARED_DOCKERFILE else config.read_text(dockerfile),
        *(config.read_shared(script) for script in SCRIPTS),
        source.text(),
        json.dumps(wanted, sort_keys=True, default=str),
        "\n".join(runnable.settings.system_packages),
        runnable.changelog.name,
        str(runnable.version),
        runnable.name,
        *more,
    )


def system_lock(runnable: RunnableDir, bottom: Base) -> str:
    """Return the content of the lock of the distribution's packages of `runnable`; empty when it has none.

    Arguments:
        runnable: the directory.
        bottom: what is below all directories that its image stands on.

    Raises:
        ConfigError: it is not a lock, or not the one of the directory's settings.
    """
    file = runnable.path / system_locks.NAME
    if not runnable.settings.system_packages or not os.path.lexists(file):
        return ""
    text = config.read_text(file)
    try:
        problem = system_locks.drift(system_locks.parse(text), str(bottom), runnable.settings.system_packages)
    except ValueError as error:
        problem = str(error)
    if problem:
        raise StaleError(
            f"is not the lock of system_packages: {problem}",
            where=f"{file}:1",
            fix=f"invoke docker_lock --dir {shlex.quote(str(runnable.path))}",
        )
    return text


def by_key(chains: Mapping[str, list[ImageSpec]]) -> dict[str, ImageSpec]:
    """Return every image of `chains` once, by its key, bases before what is built on them."""
    return {spec.key: spec for chain in chains.values() for spec in chain}
