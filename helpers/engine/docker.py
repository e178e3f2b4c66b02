"""The docker engine: builds with BuildKit, runs every container with the client, keeps nothing behind."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers import proc, spawn
from helpers.engine import argv, build_output, client, faults, nesting, ownership
from helpers.engine.context import archive_context, build_context
from helpers.engine.handout import Handout
from helpers.engine.seam import Control, Ingredients, Layout, Outcome, Prepared
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.engine.supervise import Ended, attend, supervise
from helpers.engine.waiting import Waiting
from helpers.errors import BuildError, InfrastructureError
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import LABEL_BASE_DIGEST, BaseKind, digest_tag, goes_by_wrong_name, short_reference
from helpers.storage import use
from helpers.thin_env.slow_steps import shown
from helpers.thin_env.threads import started

_BUILD_SECONDS, _TYPICAL_SECONDS = 3600.0, 20.0
# The engine makes a container in a tenth of this; a machine may be busy.
_MAKING_SECONDS, _LOOK_SECONDS = 5.0, 0.02
# The installer's words when the shared recipe asks for a Python that the base does not have.
_NO_PYTHON = "No interpreter found for Python"
# Another image with the same layer was just removed; at the next start the engine unpacks the layer anew.
_LOST_LAYER = re.compile(r"snapshot \S+ does not exist: not found")
# Another run made the image at this moment: its name is the hash of its inputs.
_MADE_MEANWHILE = re.compile(r'failed to solve: image "\S+": already exists')
# https://docs.docker.com/reference/cli/docker/container/run/#exit-status: the engine failed, not what it ran.
_CLIENT_FAILED = 125
# What the client says behind each error of this kind.
_ADVICE = "Run 'docker run --help'"
_ENGINE_DOWN = (
    *("cannot connect to the docker daemon", "is the docker daemon running", "connection refused"),
    # It ended while it built, whether or not it is back.
    "failed to receive status: rpc error",
)


class _Removal(threading.Thread):
    """Removes a container that has ended, beside whatever comes next: that takes as long as a third of its start."""

    def __init__(self, name: str, is_made: Callable[[], bool]) -> None:
        super().__init__(name=f"removal of {name}")
        self._container = name
        self._is_made = is_made
        self.done = False

    def run(self) -> None:
        made = False
        # Whatever the engine says instead of an answer, it is removed.
        with suppress(Exception):
            made = self._is_made()
        # What is left then is removed after our death; one that is in the making still comes to be after this.
        with suppress(Exception):
            self.done = client.remove_container(self._container) and made

    def begin(self) -> None:
        """Start it; where no more threads are allowed, all of it is done here."""
        if not started(self):
            self.run()

    def wait(self) -> None:
        """Wait until it is done."""
        if self.ident:
            self.join()


class DockerEngine:
    """The engine seam over the docker client."""

    name = "docker"
    isolates = True

    def __init__(self) -> None:
        # Whatever kills this process, its containers are removed: those that the dead-man inside can not end as well.
        self._guard = spawn.after_death(client.reap_after_death)
        self._removals: dict[str, _Removal] = {}

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Return the digest of each image of `references` that the engine has."""
        if not references:
            return {}
        for reference in references:
            use("images", reference)
        found: dict[str, str] = {}
        for image in client.inspect_images(references):
            names = [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]
            labels = image.get("Config", {}).get("Labels") or {}
            # One that goes by a wrong name is not what was asked for: it is built, and gets its name back.
            found |= {short_reference(name): str(image["Id"]) for name in names if not goes_by_wrong_name(name, labels)}
        return {
            reference: found[short_reference(reference)]
            for reference in references
            if short_reference(reference) in found
        }

    def describe(self, image: ImageSpec) -> str:
        """Say whether `image` is built, assembled or pulled."""
        if image.dockerfile:
            return f"building {image.key}"
        return f"{'assembling' if image.base.kind is BaseKind.ARCHIVE else 'pulling'} {image.key}"

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        """Pull, assemble or build `image`."""
        if image.dockerfile:
            image, ingredients = self._on_digest(image, ingredients)
            with build_context(image, ingredients) as ready:
                self._build(argv.build(image, ready), image, log, control, ingredients)
        elif image.base.kind is BaseKind.ARCHIVE:
            with archive_context(image, log, control) as ready:
                self._build(argv.build(image, ready), image, log, control)
        else:
            for platform in image.platforms or ("",):
                client.pull(image.reference, log, control, platform)
        if image.reference not in (found := self.find([image.reference])):
            raise InfrastructureError(
                "it was made, and the engine does not have it",
                where=image.key,
                why="somebody removed it meanwhile",
                fix="run it again",
            )
        return found[image.reference]

    def build_layout(
        self, image: ImageSpec, ingredients: Ingredients, layout: Layout, log: Path, control: Control
    ) -> None:
        """Build `image` into an OCI layout.

        Arguments:
            image: what is asked for; what it is built on is in the engine already.
            ingredients: what it is made from.
            layout: where it goes, and how old it says that it is.
            log: file that the build's output goes to.
            control: stops the build.

        Raises:
            BuildError: it can not be built.
        """
        image, ingredients = self._on_digest(image, ingredients)
        with build_context(image, ingredients) as ready:
            self._build(argv.build_layout(image, ready, layout), image, log, control, ingredients)

    def build_directory(
        self, image: ImageSpec, ingredients: Ingredients, target: str, directory: Path, control: Control
    ) -> None:
        """Write the files of a stage of the recipe of `image` to a directory of this machine.

        Raises:
            BuildError: it can not be built.
        """
        log = directory.with_name(f"{directory.name}.log")
        with build_context(image, ingredients) as ready:
            command = argv.build_directory(image, ready, target=target, directory=directory)
            self._build(command, image, log, control, ingredients)

    def load(self, archive: Path, digest: str, names: Sequence[str]) -> None:
        """Read an image from an archive of an OCI layout; all its platforms, its id is the digest of its index.

        Arguments:
            archive: tar file of the layout.
            digest: what the engine must call it.
            names: references that it is given.

        Raises:
            InfrastructureError: the engine refuses it.
        """
        commands = [argv.load(archive), *(argv.tag(digest, name) for name in names)]
        for command in commands:
            done = proc.run(command, timeout=_BUILD_SECONDS)
            if done.code:
                raise InfrastructureError(f"the engine did not take the image: {done.reason}", fix="invoke doctor")

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        """Run a container with what stands beside it, and remove all of it."""
        if not (spec.services or spec.docker):
            return self._run(spec, log, timeout, control)
        from helpers.engine import compose  # slow to import, and most tests have no services

        start = time.monotonic()
        services = log.with_name("services.log")
        try:
            ready = compose.start(nesting.grant(spec), services, control)
            outcome = self._run(ready.spec, log, timeout, control)
            # What is removed below can not be while the container stands on it.
            self._removals[spec.name].wait()
            if outcome.code:
                compose.note_logs(spec.name, services)
            return replace(outcome, weaker=ready.weaker)
        except compose.StoppedError:
            return Outcome(code=0, seconds=time.monotonic() - start, output="", log=services, stopped=True)
        finally:
            client.remove_within(spec.name)

    def by_hand(self, spec: RunSpec, command: Sequence[str]) -> list[str]:
        """Return the `docker run` that runs `command`; none where services, an engine or variables would be missing."""
        return [] if spec.services or spec.docker or spec.file_values else argv.run_by_hand(spec, command)

    def start_command(self, spec: RunSpec) -> list[str]:
        """Return the `docker run` of a container that waits; none if it needs more than the client."""
        return [] if spec.services or spec.docker or spec.file_values else _command(spec)

    def prepare(self, spec: RunSpec, begun: proc.Child | None = None) -> Prepared | None:
        """Start a container that waits; what stands beside one has a state of its own, so then there is none."""
        if spec.services or spec.docker:
            return None
        if begun:
            child = begun
        else:
            os.mkfifo(spec.argv[-1], 0o600)
            child = _start(spec)

        def follow(nonce: str, log: Path, timeout: float, control: Control) -> Outcome:
            return self._run(replace(spec, nonce=nonce), log, timeout, control, child=child, again=False)

        return Waiting(Path(spec.argv[-1]), child, follow, lambda: self.drop(spec.name, child))

    def drop(self, name: str, begun: proc.Child) -> None:
        """End the client, and remove the container; one that the engine does not tell of may come to be later."""
        begun.close_input()

        def is_made() -> bool:
            # The engine goes on making it without the client too.
            end = time.monotonic() + _MAKING_SECONDS
            try:
                while not (made := bool(self._state(name))) and begun.wait(_LOOK_SECONDS) is None:
                    if time.monotonic() >= end:
                        return False
                return made or bool(self._state(name))
            finally:
                begun.kill()

        self._remove(name, is_made)

    def _remove(self, name: str, is_made: Callable[[], bool]) -> None:
        removal = self._removals[name] = _Removal(name, is_made)
        removal.begin()

    def _run(
        self,
        spec: RunSpec,
        log: Path,
        timeout: float,
        control: Control,
        *,
        child: proc.Child | None = None,
        again: bool = True,
    ) -> Outcome:
        """Run a container, look at how the engine says that it ended, and remove it."""
        child = child or _start(spec)
        made = False
        try:
            hard = [(lambda: proc.Child(argv.remove_containers([spec.name])), 3.0), (child.kill, 5.0)]
            if isinstance(child, proc.OnTerminal):
                ended = attend(child, control, hard)
            else:
                ladder = [(lambda: child.write(b"t"), 3.0), (child.close_input, 1.0), *hard]
                handout = Handout(spec.nonce, spec.results) if spec.results else None
                ended = supervise(child, log, timeout, control, ladder, handout=handout)
            state = self._state(spec.name)
            made = bool(state) and not (spec.services or spec.docker)
        finally:
            child.kill()
            self._remove(spec.name, lambda: made)
        if not state and again and _LOST_LAYER.search(ended.output):
            self._removals[spec.name].wait()
            return self._run(spec, log, timeout, control, again=False)
        if not (ended.timed_out or ended.stopped):
            _check_followed(ended, state)
        return Outcome(
            code=ended.code,
            seconds=ended.seconds,
            output=ended.output,
            log=log,
            image=str(state.get("Image", "")),
            out_of_memory=bool(state.get("State", {}).get("OOMKilled")),
            timed_out=ended.timed_out,
            stopped=ended.stopped,
        )

    def reap(self) -> int:
        """Remove what dead drivers left."""
        return client.reap()

    def finish(self) -> None:
        """Wait until all that was run is removed; where nothing can be left, nothing is done after our death."""
        removals = list(self._removals.values())
        for removal in removals:
            removal.wait()
        if all(removal.done for removal in removals):
            spawn.call_off(self._guard)

    def _on_digest(self, image: ImageSpec, ingredients: Ingredients) -> tuple[ImageSpec, Ingredients]:
        """Return both with a name of the base that no other build moves meanwhile, and with its digest.

        The builder looks for a digest of an image that was never pulled in a registry, so a tag that is made of the
        digest stands for it.
        """
        base = ingredients.base
        digest = self.find([base]).get(base, "")
        alias = digest_tag(base, digest)
        done = proc.run(argv.tag(digest, alias)) if digest else None
        if not done or done.code:
            why = done.reason if done else "it is not there"
            raise InfrastructureError(f"cannot build on {base}: {why}", where=image.key, fix="run it again")
        labels = {**image.labels, LABEL_BASE_DIGEST: digest}
        return replace(image, labels=labels), replace(ingredients, base=alias)

    @staticmethod
    def _state(name: str) -> dict[str, Any]:
        """Return the engine's data about a container that started; empty also if the engine does not answer."""
        try:
            state = client.inspect_container(name)
        except InfrastructureError:
            return {}
        return state if state and not state["State"]["StartedAt"].startswith("0001") else {}

    @staticmethod
    def _build(
        command: list[str], image: ImageSpec, log: Path, control: Control, made_of: Ingredients | None = None
    ) -> None:
        child = proc.Child(command, env={**os.environ, "BUILDKIT_PROGRESS": "plain"})
        child.close_input()
        with shown(f"building {image.key}", usual=_TYPICAL_SECONDS, output=log):
            ended = supervise(child, log, _BUILD_SECONDS, control, [(child.terminate, 3.0), (child.kill, 5.0)])
        ended.check_complete(image.key, log)
        said = build_output.of_builder(ended.output)
        if ended.code and not _MADE_MEANWHILE.fullmatch(said):
            if any(text in said.lower() for text in _ENGINE_DOWN) or faults.explain(said):
                raise faults.no_answer(said)
            reason, _, fix = build_output.cause(ended.output).partition("; fix: ")
            if _NO_PYTHON in ended.output and image.directory and made_of:
                raise _wrong_python(image, image.directory, made_of.base)
            from helpers import index_refusal  # brings a client of HTTP, for a failure only

            if made_of and (refused := index_refusal.of_install(ended.output, made_of.indexes, image.key)):
                raise refused
            raise BuildError(f"the image did not build: {reason}", where=image.key, fix=fix or f"read {log}")


def _check_followed(ended: Ended, state: dict[str, Any]) -> None:
    """Refuse the end of a client that was not the end of its container: it tells nothing about the tests.

    Arguments:
        ended: how the client ended.
        state: what the engine says of the container; empty if it did not start, or if the engine does not answer.

    Raises:
        InfrastructureError: there was no container, or the engine ended before it; one that is started again at once
            knows the container, and has ended it itself.
    """
    last = build_output.last_line(ended.output.partition(_ADVICE)[0])
    if not state:
        if why := client.why_not_running():
            raise InfrastructureError(f"the engine went away: {why}", fix="invoke doctor, then run it again")
        raise faults.not_started(last)
    if ended.code == _CLIENT_FAILED != state.get("State", {}).get("ExitCode", _CLIENT_FAILED):
        raise InfrastructureError(f"the engine went away, and is back: {last}", fix="run it again")


def _start(spec: RunSpec) -> proc.Child:
    with client.env_file(spec.file_values) as file:
        command, fds = _command(spec, file), () if file is None else (file,)
        child = proc.OnTerminal(command, fds=fds) if spec.terminal else proc.Child(command, fds=fds)
    if spec.nonce:
        child.write(f"{spec.nonce}\n".encode())
    return child


def _command(spec: RunSpec, file: int | None = None) -> list[str]:
    return argv.run(spec, account_files=client.account_files(spec.user), remove=False, env_file=file)


def _wrong_python(image: ImageSpec, directory: Path, base: str) -> BuildError:
    """Return the error that the base of `image`, which is there as `base`, does not have the Python that is wanted."""
    done = proc.run(argv.python_version(base, ownership.this_owner()))
    has = f"has {done.stdout.strip()}" if done.code == 0 else "has no python3"
    others = ", ".join(f"archive:{suite} has {python}" for suite, python in PYTHON_OF_SUITE.items() if python)
    return BuildError(
        f"requires-python is {image.requires_python!r}, and its base {image.base} {has}",
        where=directory / "pyproject.toml",
        fix=f"change [project] requires-python, or [tool.helpers] base: {others}",
    )
