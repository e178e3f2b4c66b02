"""The commands `docker_release`, `docker_push`, `docker_promote` and `docker_rollback`, for one runnable dir."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from helpers import config, discover
from helpers.console import print_rows, say
from helpers.engine.seam import Control
from helpers.engine.supervise import obey_signals
from helpers.errors import OK, HelpersError, UsageError
from helpers.images.recipe import image_chain
from helpers.model.base_lock import prod_tag
from helpers.model.image import parse_platforms
from helpers.model.release import Action, State, actions
from helpers.model.runnable import RunnableDir
from helpers.model.stage import BUILD_STAGES, RELEASE_STAGES, Stage, parse_stage
from helpers.model.version import Version
from helpers.registry.repository import Registry
from helpers.release import moving
from helpers.release.job import Job
from helpers.release.publishing import Publishing
from helpers.release.releasing import Releasing
from helpers.storage import locked

_ABOUT = {
    Action.BUILD: "build it",
    Action.TRY: "start it on every platform",
    Action.TEST: "run its tests inside it",
    Action.PUSH: "push it by its digest",
    Action.TAG: "tag it {tag}, once and for ever",
    Action.MOVE: "move the tag {stage} to {tag}",
}
# Two releases of one directory at a time would do everything twice.
_LOCK_SECONDS = 5.0


def release(directory: str | None, stage: str, platforms: str, *, dry_run: bool) -> int:
    """Do what is left of a release and return the exit code; nothing is left when it was done before.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        stage: `dev` or `prod`; a release to `prod` begins with that to `dev`.
        platforms: with commas between; empty takes the setting `platforms`.
        dry_run: only print what would be done.
    """
    stages = [Stage.DEV] if parse_stage(stage, RELEASE_STAGES) is Stage.DEV else [Stage.DEV, Stage.PROD]
    runnable, load = _nearest(directory)

    def act(control: Control) -> None:
        job = Job(runnable, load, _platforms(runnable, platforms), control)
        for each in stages:
            job.chain(each)  # What the files of one stage have wrong is told before another one is released.
        releasing = Releasing(job)
        for each in stages:
            if dry_run:
                _show(runnable, releasing.state(each))
            else:
                say(f"{runnable.repository}:{_end(runnable, releasing.converge(each))}")

    return _stoppable(act, runnable, alone=not dry_run)


def push_local(directory: str | None, platforms: str) -> int:
    """Push the image of a checkout under its user's own tag and return the exit code.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        platforms: with commas between; empty is this machine's own.
    """
    runnable, load = _nearest(directory)

    def act(control: Control) -> None:
        reference, digest = Releasing(Job(runnable, load, _parsed(platforms), control)).push()
        print(f"{reference}  {digest}")

    return _stoppable(act, runnable)


def build_and_push(directory: str | None, stage: str, platforms: str, *, everything: bool, push: bool) -> int:
    """Do `docker_build` with `--platform` and `--push`: `push`, after a look at what contradicts it.

    Raises:
        UsageError: other platforms without a push, several directories, or a stage that has a release of its own.
    """
    if not push:
        raise UsageError(
            f"--platform {platforms} without --push", why="an engine holds what runs on it", fix="add --push"
        )
    if everything:
        raise UsageError("--push is for one directory", fix="leave out --all")
    if parse_stage(stage, BUILD_STAGES) is not Stage.LOCAL:
        raise UsageError(
            f"--push of stage {stage!r}", why="it is tested first", fix="invoke docker_release --stage prod"
        )
    return push_local(directory, platforms)


def publish(directory: str | None, platforms: str, *, dry_run: bool) -> int:
    """Publish the image of a runnable dir as a base, print its references and digests, and return the exit code.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        platforms: with commas between; empty takes the setting `platforms`.
        dry_run: only print what would be done.
    """
    runnable, load = _nearest(directory)

    def act(control: Control) -> None:
        publishing = Publishing(Job(runnable, load, _platforms(runnable, platforms), control))
        if dry_run:
            same = publishing.like_source()
            unless = f", unless what it stands on is that of {same} still" if same else ""
            print(f"would publish {runnable.repository}:{publishing.next_tag()} and move latest{unless}")
            return
        tag, is_new = publishing.publish()
        if not is_new:
            say(f"{runnable.name} is published as {tag}, nothing to do")
        registry = Registry(runnable.repository, control)
        for name in (tag, prod_tag(tag)):
            print(f"{runnable.repository}:{name}  {registry.resolve(name)}")

    return _stoppable(act, runnable, alone=False)


def promote(directory: str | None, version: str) -> int:
    """Promote a tested `prod` build to its version tag, without a build, and return the exit code.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        version: the version; empty is that of the checkout.
    """
    runnable, load = _nearest(directory)
    chosen = _version(version) if version else runnable.version

    def act(control: Control) -> None:
        platforms = _platforms(runnable, "")
        inputs = image_chain(runnable, load, Stage.PROD, platforms)[-1].inputs if not version else ""
        tag, digest = moving.promote(Registry(runnable.repository, control), inputs, chosen, _there(runnable))
        print(f"{runnable.repository}:{tag}  {digest}")

    return _stoppable(act, runnable)


def rollback(directory: str | None, stage: str, version: str) -> int:
    """Move `dev` or `prod` back to a released version and return the exit code; without a version, list them.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        stage: `dev` or `prod`.
        version: the version.
    """
    runnable, _ = _nearest(directory)
    kind = parse_stage(stage, RELEASE_STAGES)
    chosen = _version(version) if version else None

    def act(control: Control) -> None:
        registry = Registry(runnable.repository, control)
        if chosen:
            _move_back(registry, kind, chosen, _there(runnable))
        else:
            _list_versions(registry, kind)

    return _stoppable(act, runnable, alone=chosen is not None)


def _move_back(registry: Registry, stage: Stage, version: Version, there: str) -> None:
    digest, before = moving.roll_back(registry, stage, version, there)
    say(f"{stage.value} is {version} now" + (f", it was {before[:19]}" if before and before != digest else ""))
    print(f"{registry.http.address}:{stage.value}  {digest}")


def _list_versions(registry: Registry, stage: Stage) -> None:
    released = moving.versions(registry, stage)
    if not released:
        say(f"{registry.http.address}: no version is released to {stage.value}")
        return
    now = registry.resolve(stage.value)
    rows = [(f"version ({stage.value})", "digest", "platforms", "")]
    for version in released:
        manifest = registry.manifest(stage.version_tag(version))
        mark = f"<- {stage.value}" if manifest.digest == now else ""
        rows.append((str(version), manifest.digest[:19], " ".join(manifest.platforms), mark))
    print_rows(rows)


def _end(runnable: RunnableDir, before: State) -> str:
    """Return what is said after a release, from how far it had come before."""
    if actions(before):
        return f"{before.tag} is released"
    if before.rolled_back:
        return f"{before.tag} is released, nothing to do: {_rolled_back(runnable, before)}"
    holds = "" if before.stage is Stage.PROD else " (this image holds no code)"
    return f"{before.tag} is released, nothing to do{holds}"


def _rolled_back(runnable: RunnableDir, state: State) -> str:
    stage = state.stage.value
    return (
        f"a rollback moved {stage} back to {state.in_use or state.moving}, and a release leaves it there\n"
        f"  forward again: invoke docker_rollback --stage {stage} --version {state.version}{_there(runnable)}"
    )


def _show(runnable: RunnableDir, state: State) -> None:
    todo = actions(state)
    print(f"{runnable.repository}:{state.tag}" + ("" if todo else "  released, nothing to do"))
    if state.rolled_back and not todo:
        print(f"  {_rolled_back(runnable, state)}")
    if state.published and todo == (Action.BUILD,):
        print("  it is released, of other inputs: build it and compare; other content is refused")
        return
    for action in todo:
        reads = "read its layers, " if action is Action.TRY and state.stage is Stage.PROD else ""
        print(f"  {reads}{_ABOUT[action].format(tag=state.tag, stage=state.stage.value)}")


def _there(runnable: RunnableDir) -> str:
    return f" --dir {shlex.quote(str(runnable.path))}"


def _version(text: str) -> Version:
    try:
        return Version.parse(text)
    except ValueError as error:
        raise UsageError(f"--version: {error}") from None


def _platforms(runnable: RunnableDir, text: str) -> tuple[str, ...]:
    return _parsed(text) or _parsed(",".join(runnable.settings.platforms))


def _parsed(text: str) -> tuple[str, ...]:
    try:
        return parse_platforms(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _nearest(directory: str | None) -> tuple[RunnableDir, config.Loader]:
    root, path = discover.nearest(directory)
    load = config.loader(root, discover.runnable_paths(root))
    return load(path), load


def _stoppable(act: Callable[[Control], None], runnable: RunnableDir, *, alone: bool = True) -> int:
    control = Control()
    obey_signals(control)
    try:
        if alone:
            with locked(f"release-{runnable.changelog.name}.lock", timeout=_LOCK_SECONDS):
                act(control)
        else:
            act(control)
    except HelpersError:
        if control.level:
            return control.exit_code
        raise
    return OK
