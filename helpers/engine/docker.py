"""The docker engine: builds with BuildKit, runs every container with the client, keeps nothing behind."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import host, proc
from helpers.engine import argv, ownership
from helpers.engine.archive import assembled_archive
from helpers.engine.context import build_context
from helpers.engine.specs import Control, ImageSpec, Ingredients, Outcome, RunSpec
from helpers.engine.supervise import supervise
from helpers.errors import BuildError, InfrastructureError
from helpers.model.image import LABEL_OWNER, BaseKind
from helpers.storage import cache_dir, write_once

_BUILD_SECONDS = 3600.0
_ENGINE_DOWN = ("cannot connect to the docker daemon", "is the docker daemon running", "connection refused")


def is_running() -> bool:
    """Say whether a docker engine answers."""
    try:
        return proc.run(argv.version(), timeout=20).code == 0
    except InfrastructureError:
        return False


def account_files(user: host.User) -> Path:
    """Return a directory with a `passwd` and a `group` in which the caller has a name and a home."""
    home = cache_dir() / "accounts" / f"{user.uid}-{user.gid}-{user.name}"
    root = "root:x:0:0:root:/root:/bin/bash\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    line = f"{user.name}:x:{user.uid}:{user.gid}:{user.name}:{user.home}:/bin/bash\n"
    write_once(home / "passwd", root + nobody + (line if user.uid else ""))
    group = f"{user.name}:x:{user.gid}:\n" if user.gid else ""
    write_once(home / "group", f"root:x:0:\nnogroup:x:65534:\n{group}")
    return home


def has_image(reference: str) -> bool:
    """Say whether the engine has the image `reference`."""
    return proc.run(argv.inspect_images([reference])).code == 0


def become(spec: RunSpec) -> None:
    """Replace this process by the client that runs `spec`; its terminal, signals and exit code are the caller's."""
    proc.after_death(lambda: proc.run(argv.remove_containers([spec.name])))
    proc.replace(argv.run(spec, account_files=account_files(spec.user), remove=True))


def rows(command: Sequence[str]) -> list[dict[str, Any]]:
    """Return what a listing command of the client prints, one dictionary a line.

    Raises:
        InfrastructureError: no engine answers.
    """
    done = proc.run(command)
    if done.code:
        raise InfrastructureError(f"the engine does not answer: {done.reason}", fix="invoke doctor")
    return [json.loads(line) for line in done.stdout.splitlines()]


def reap() -> int:
    """Remove the containers whose owners are dead; return how many there were."""
    dead = [row["ID"] for row in rows(argv.list_containers()) if ownership.is_dead(label(row, LABEL_OWNER))]
    if dead:
        proc.run(argv.remove_containers(dead))
    return len(dead)


def label(row: dict[str, Any], name: str) -> str:
    """Return the value of a label in a row that the client printed; empty if it has none."""
    # The client joins labels with commas; a value with a comma in it is cut there.
    pairs = (pair.partition("=") for pair in str(row.get("Labels", "")).split(","))
    return next((value for key, _, value in pairs if key == name), "")


class DockerEngine:
    """The engine seam over the docker client."""

    name = "docker"

    def __init__(self) -> None:
        # Whatever kills this process, its containers are removed: those that the dead-man inside can not end as well.
        proc.after_death(reap)

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Return the digest of each image of `references` that the engine has."""
        if not references:
            return {}
        done = proc.run(argv.inspect_images(references))
        if not done.stdout.strip():
            raise InfrastructureError(f"the engine does not answer: {done.reason}", fix="invoke doctor")
        found: dict[str, str] = {}
        for image in json.loads(done.stdout):
            found |= {_short(tag): str(image["Id"]) for tag in image.get("RepoTags") or []}
        return {reference: found[_short(reference)] for reference in references if _short(reference) in found}

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        """Pull, assemble or build `image`."""
        if image.dockerfile:
            with build_context(image, ingredients) as ready:
                self._build(argv.build(image, ready), image, log, control)
        elif image.base.kind is BaseKind.ARCHIVE:
            with assembled_archive(image, log, control) as directory:
                self._build(argv.assemble(image, context=directory), image, log, control)
        else:
            self._build(argv.pull(image.reference), image, log, control)
        return self.find([image.reference])[image.reference]

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        """Run a container, look at how the engine says that it ended, and remove it."""
        command = argv.run(spec, account_files=account_files(spec.user), remove=False)
        child = proc.Child(command)
        remove = argv.remove_containers([spec.name])
        try:
            ladder = [
                (lambda: child.write(b"t"), 3.0),
                (child.close_input, 1.0),
                (lambda: proc.Child(remove), 3.0),
                (child.kill, 5.0),
            ]
            ended = supervise(child, log, timeout, control, ladder)
            state = self._state(spec.name)
        finally:
            child.kill()
            proc.run(remove)
        if not state and not (ended.timed_out or ended.stopped):
            raise InfrastructureError(f"the engine did not start the container: {_last_line(ended.output)}")
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
        return reap()

    @staticmethod
    def _state(name: str) -> dict[str, Any]:
        done = proc.run(argv.inspect_container(name))
        states: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        started = [state for state in states if not state["State"]["StartedAt"].startswith("0001")]
        return started[0] if started else {}

    @staticmethod
    def _build(command: list[str], image: ImageSpec, log: Path, control: Control) -> None:
        child = proc.Child(command, env={**os.environ, "BUILDKIT_PROGRESS": "plain"})
        child.close_input()
        ended = supervise(child, log, _BUILD_SECONDS, control, [(child.terminate, 3.0), (child.kill, 5.0)])
        if ended.stopped:
            raise InfrastructureError("stopped by the user", where=image.key)
        if ended.code:
            reason = _last_line(ended.output)
            if any(text in ended.output.lower() for text in _ENGINE_DOWN):
                raise InfrastructureError(f"the engine does not answer: {reason}", fix="invoke doctor")
            raise BuildError(f"the image did not build: {reason}", where=image.key, fix=f"read {log}")


def _short(reference: str) -> str:
    """Return the reference as we write it: the engine may put its default registry and `library/` before it."""
    name = reference.partition("@")[0]
    for prefix in ("docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1][:300]
