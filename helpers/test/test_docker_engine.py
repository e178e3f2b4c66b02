"""What the docker engine does about an engine's own lapses, with the client replaced."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from helpers import proc, spawn
from helpers.engine import argv, client, docker
from helpers.engine.docker import DockerEngine
from helpers.engine.seam import Control, Ingredients
from helpers.engine.specs import ImageSpec
from helpers.engine.supervise import Ended
from helpers.errors import BuildError, HelpersError, InfrastructureError
from helpers.model.image import Base
from helpers.test.test_again import SPEC

LOST = "docker: Error response from daemon: parent snapshot sha256:1 does not exist: not found.\n"
GONE = "docker: Error response from daemon: no such image\n"


class Killed:
    """A client that does nothing."""

    def __init__(self, command: list[str], fds: Sequence[int] = ()) -> None:
        self.command = command
        self.output = io.BytesIO()

    def kill(self) -> None:
        pass

    def terminate(self) -> None:
        pass

    def close_input(self) -> None:
        pass


@pytest.mark.parametrize(
    ("said", "starts", "error"),
    [([LOST, ""], 2, ""), ([LOST, LOST], 2, "does not exist"), ([GONE], 1, "no such image")],
)
def test_a_layer_that_was_lost_at_the_start_is_given_a_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], starts: int, error: str
) -> None:
    began: list[str] = []

    def supervised(*_: Any, **__: Any) -> Ended:
        began.append(said[len(began)])
        return Ended(125 if began[-1] else 0, 0.1, began[-1], timed_out=False, stopped=False)

    monkeypatch.setattr(docker, "supervise", supervised)
    monkeypatch.setattr(proc, "Child", Killed)
    monkeypatch.setattr(client, "remove_container", lambda name: True)
    monkeypatch.setattr(client, "why_not_running", lambda: "")
    monkeypatch.setattr(spawn, "after_death", lambda action: 7)
    monkeypatch.setattr(client, "account_files", lambda user: tmp_path)
    engine = DockerEngine()
    monkeypatch.setattr(engine, "_state", lambda name: {} if began[-1] else {"Image": "sha256:1"}, raising=False)
    if error:
        with pytest.raises(InfrastructureError, match=error):
            engine.run(SPEC, tmp_path / "log", 1, Control())
    else:
        assert engine.run(SPEC, tmp_path / "log", 1, Control()).image == "sha256:1"
    assert len(began) == starts


@pytest.mark.parametrize(
    ("state", "removed", "called_off"),
    [({"Image": "sha256:1"}, True, True), ({"Image": "sha256:1"}, False, False), ({}, True, False)],
)
def test_the_reaper_is_called_off_only_where_nothing_can_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, str], removed: bool, called_off: bool
) -> None:
    calls: list[str] = []

    def remove(name: str) -> bool:
        calls.append("removed")
        return removed

    monkeypatch.setattr(docker, "supervise", lambda *_, **__: Ended(0, 0.1, "", timed_out=False, stopped=True))
    monkeypatch.setattr(proc, "Child", Killed)
    monkeypatch.setattr(client, "remove_container", remove)
    monkeypatch.setattr(spawn, "after_death", lambda action: 7)
    monkeypatch.setattr(spawn, "call_off", lambda guard: calls.append("called off"))
    monkeypatch.setattr(client, "account_files", lambda user: tmp_path)
    engine = DockerEngine()
    monkeypatch.setattr(engine, "_state", lambda name: state, raising=False)
    engine.run(SPEC, tmp_path / "log", 1, Control())
    engine.finish()
    assert calls == ["removed", *(["called off"] if called_off else [])]


@dataclass
class Drops:
    """An engine that prepares containers and drops them, and what it then did, in that order."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    calls: list[str]

    def drop(
        self, state: Callable[[str], dict[str, Any]], names: Sequence[str] = ("n",), child: type[Killed] = Killed
    ) -> list[str]:
        """Prepare containers, drop all of them, and end.

        Arguments:
            state: what the engine says of one.
            names: of the containers.
            child: the client.
        """
        self.monkeypatch.setattr(proc, "Child", child)
        engine = DockerEngine()
        self.monkeypatch.setattr(engine, "_state", state, raising=False)
        specs = [replace(SPEC, name=name, argv=("python", str(self.folder / name))) for name in names]
        for waiting in [engine.prepare(spec) for spec in specs]:
            assert waiting
            waiting.drop()
        engine.finish()
        return self.calls


@pytest.fixture
def drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drops:
    calls: list[str] = []

    def remove(name: str) -> bool:
        calls.append(f"removed {name}")
        return True

    monkeypatch.setattr(client, "remove_container", remove)
    monkeypatch.setattr(spawn, "after_death", lambda action: 7)
    monkeypatch.setattr(spawn, "call_off", lambda guard: calls.append("called off"))
    monkeypatch.setattr(client, "account_files", lambda user: tmp_path)
    return Drops(tmp_path, monkeypatch, calls)


@pytest.mark.parametrize("fault", [InfrastructureError("no answer"), KeyError("State")])
def test_waiting_containers_are_removed_where_the_engine_does_not_say_how_they_are(
    drops: Drops, fault: Exception
) -> None:
    def state(name: str) -> dict[str, Any]:
        raise fault

    # None was seen: each may still come to be, so what removes it after our death stays.
    assert sorted(drops.drop(state, ["one", "two"])) == ["removed one", "removed two"]


@pytest.mark.parametrize(
    ("looks", "ends_at", "before", "called_off"),
    [
        # Seen at once; made while its client goes on; only once its client has ended; never.
        ([True], 0, 0, True),
        ([False, False, True], 0, 2, True),
        ([False, False, True], 2, 2, True),
        ([False, False, False], 2, 2, False),
    ],
)
def test_a_waiting_container_that_is_dropped_while_it_is_made_is_removed_once_it_is_there(
    drops: Drops, looks: list[bool], ends_at: int, before: int, called_off: bool
) -> None:
    answers = iter(looks)

    class Making(Killed):
        waits = 0

        def wait(self, timeout: float) -> int | None:
            assert 0 < timeout < 1
            drops.calls.append("waited")
            self.waits += 1
            return 0 if self.waits == ends_at else None

        def kill(self) -> None:
            drops.calls.append("killed")

        def close_input(self) -> None:
            if "closed" not in drops.calls:
                drops.calls.append("closed")

    calls = drops.drop(lambda name: {"Image": "i"} if next(answers) else {}, child=Making)
    last = ["called off"] if called_off else []
    assert calls == ["closed", *["waited"] * before, "killed", "removed n", *last]


def test_a_waiting_container_that_never_comes_to_be_is_not_waited_for_without_end(drops: Drops) -> None:
    class Making(Killed):
        def wait(self, timeout: float) -> int | None:
            time.sleep(0.001)
            return None

    drops.monkeypatch.setattr(docker, "_MAKING_SECONDS", 0.05)
    assert drops.drop(lambda name: {}, child=Making) == ["removed n"]


def test_where_no_more_threads_are_allowed_containers_are_removed_all_the_same(drops: Drops) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    drops.monkeypatch.setattr(threading.Thread, "start", refuse)
    assert drops.drop(lambda name: {"Image": "i"}, ["one", "two"]) == ["removed one", "removed two", "called off"]


@pytest.mark.parametrize(
    ("code", "state", "down", "error"),
    [
        (125, {}, "Cannot connect to the Docker daemon.", "the engine went away: Cannot connect to the Docker daemon."),
        (125, {}, "", "the engine did not start the container: docker: invalid name"),
        (125, {"State": {"ExitCode": 137}}, "", "the engine went away, and is back: docker: invalid name"),
        (125, {"State": {"ExitCode": 0}}, "", "the engine went away, and is back: docker: invalid name"),
        (125, {"State": {"ExitCode": 125}}, "", ""),
        (1, {"State": {"ExitCode": 1}}, "", ""),
    ],
)
def test_a_container_that_the_engine_did_not_follow_to_its_end_has_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, state: dict[str, Any], down: str, error: str
) -> None:
    said = "docker: invalid name\n\nRun 'docker run --help' for more information\n"
    monkeypatch.setattr(docker, "supervise", lambda *_, **__: Ended(code, 0.1, said, timed_out=False, stopped=False))
    monkeypatch.setattr(proc, "Child", Killed)
    monkeypatch.setattr(client, "remove_container", lambda name: True)
    monkeypatch.setattr(client, "why_not_running", lambda: down)
    monkeypatch.setattr(spawn, "after_death", lambda action: 7)
    monkeypatch.setattr(client, "account_files", lambda user: tmp_path)

    def inspect(name: str) -> dict[str, Any]:
        if down:
            raise InfrastructureError(f"the engine does not answer: {down}")
        return {"State": {"StartedAt": "2026", **state["State"]}} if state else {}

    monkeypatch.setattr(client, "inspect_container", inspect)
    engine = DockerEngine()
    if error:
        with pytest.raises(InfrastructureError) as raised:
            engine.run(SPEC, tmp_path / "log", 1, Control())
        assert raised.value.what == error
    else:
        assert engine.run(SPEC, tmp_path / "log", 1, Control()).code == code


@pytest.mark.parametrize(
    ("said", "error", "what"),
    [
        (
            # What a build says whose engine was ended by SIGKILL.
            "#5 RUN sleep 8\nERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from "
            "server: EOF\n",
            InfrastructureError,
            "the engine does not answer: failed to receive status",
        ),
        ("ERROR: failed to solve: exit code: 1\n", BuildError, "the image did not build: ERROR: failed to solve"),
        (
            "#5 0.1 curl: Connection refused\n#5 0.1 ERROR: Cannot connect to the Docker daemon\n"
            "ERROR: failed to solve: x\n",
            BuildError,
            "the image did not build: ERROR: failed to solve: x",
        ),
        (
            'ERROR: failed to solve: x\n#5 0.1 ERROR: failed to solve: image "x": already exists',
            BuildError,
            "the image did not build",
        ),
    ],
)
def test_a_build_whose_engine_ended_is_no_failed_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, error: type[HelpersError], what: str
) -> None:
    _build_says(monkeypatch, said)
    with pytest.raises(error) as raised:
        DockerEngine().provide(BASE, Ingredients(), tmp_path / "log", Control())
    assert raised.value.what.startswith(what)


def test_an_image_that_another_run_made_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _build_says(monkeypatch, 'ERROR: failed to solve: image "docker.io/library/base:1": already exists\n')
    engine = DockerEngine()
    monkeypatch.setattr(engine, "find", lambda references: dict.fromkeys(references, "sha256:1"), raising=False)
    assert engine.provide(BASE, Ingredients(), tmp_path / "log", Control()) == "sha256:1"
    monkeypatch.setattr(engine, "find", lambda references: {}, raising=False)
    with pytest.raises(InfrastructureError, match="the engine does not have it"):
        engine.provide(BASE, Ingredients(), tmp_path / "log", Control())


BASE = ImageSpec("archive:bookworm", "base:1", "", Base.parse("archive:bookworm"))


def _build_says(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Let each build fail with these words."""
    monkeypatch.setattr(docker, "supervise", lambda *_, **__: Ended(1, 0.1, said, timed_out=False, stopped=False))
    monkeypatch.setattr(docker, "archive_context", lambda *_: nullcontext())
    monkeypatch.setattr(argv, "build", lambda *_: ["docker"])
    monkeypatch.setattr(proc, "Child", lambda command, env: Killed(command))
    monkeypatch.setattr(spawn, "after_death", lambda action: 7)
