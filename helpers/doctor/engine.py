"""Checks of the docker engine: client, engine, right to use it, builder, image store, what was left behind."""

from __future__ import annotations

import getpass
import json
import os
import shlex
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers import proc
from helpers.doctor.finding import INSTALL, MISSING, OK, WARN, Check, masked
from helpers.doctor.machine import judge_space, measure
from helpers.engine import api, argv, faults, ownership
from helpers.engine.argv import DEFAULT_SOCKET
from helpers.errors import InfrastructureError

_SECONDS = 5.0
# A row that depends on the row `engine` has the same fix, because the cause is the same.
_NO_ENGINE = "depends on the row `engine`, where none answers"


@dataclass(frozen=True)
class Access:
    """Whether this user may speak to the engine.

    Arguments:
        host: where the engine listens; empty means the machine's own socket.
        exists: whether there is a socket.
        writable: whether this process may use it.
        member: whether the user database has the user in the socket's group.
        user: the user's name.
        by: the setting that names the engine; empty where the client takes its default.
        value: of that setting.
        undo: the command that takes the setting back.
        config_fault: why the client cannot read its settings.
    """

    host: str = ""
    exists: bool = True
    writable: bool = True
    member: bool = False
    user: str = "somebody"
    by: str = ""
    value: str = ""
    undo: str = ""
    config_fault: str = ""


@dataclass(frozen=True)
class Engine:
    """What the client says of itself and of the engine.

    Arguments:
        client: version of the client; empty when it is not on PATH.
        server: version of the engine; empty when none answers.
        reason: why none answers.
        plugins: version of each plugin of the client.
        store: how images are kept, as the engine describes it.
        data: directory where it keeps them.
        access: what stands between this user and the engine.
        free: bytes on that directory's disk.
    """

    client: str = ""
    server: str = ""
    reason: str = ""
    plugins: dict[str, str] = field(default_factory=dict)
    store: str = ""
    data: str = "/var/lib/docker"
    access: Access = Access()
    free: int = 0


def gather_engine() -> Engine:
    """Ask the client once for all it knows, and measure the disk of the engine's data."""
    engine = _ask()
    return replace(engine, free=measure(Path(engine.data)))


def _ask() -> Engine:
    access = look_at_access()
    if not shutil.which(argv.DOCKER):
        return Engine(access=access)
    try:
        done = proc.run(argv.info(), timeout=_SECONDS)
    except InfrastructureError as error:
        return Engine(client="?", reason=error.what, access=access)
    start = done.stdout.find("{")
    return read_info(json.loads(done.stdout[start:]) if start >= 0 else {}, done.reason, access)


def read_info(info: dict[str, Any], reason: str, access: Access) -> Engine:
    """Return the facts in the answer of `docker info`.

    Arguments:
        info: the answer; without an engine it holds only what the client knows.
        reason: what the client printed about itself.
        access: what stands between this user and the engine.
    """
    client = info.get("ClientInfo") or {}
    plugins = {str(item.get("Name")): str(item.get("Version", "?")) for item in client.get("Plugins") or []}
    server = str(info.get("ServerVersion") or "")
    errors = info.get("ServerErrors") or [reason]
    store = " ".join(str(part) for pair in info.get("DriverStatus") or [] for part in pair)
    return Engine(
        client=str(client.get("Version") or "?"),
        server=server,
        reason="" if server else str(errors[-1]),
        plugins=plugins,
        store=store,
        data=str(info.get("DockerRootDir") or Engine.data),
        access=access,
    )


def judge_client(engine: Engine) -> tuple[str, str, str]:
    """The client is on PATH."""
    if not engine.client:
        return MISSING, "no docker client on PATH", INSTALL
    if engine.access.config_fault:
        file = api.config_folder() / "config.json"
        fix = f"mv {shlex.quote(str(file))} {shlex.quote(f'{file}.broken')}  (docker login writes a new one)"
        return WARN, f"{engine.client} cannot read {file}: {engine.access.config_fault}", fix
    return OK, engine.client, ""


def judge_engine(engine: Engine) -> tuple[str, str, str]:
    """An engine answers."""
    if engine.server:
        return OK, engine.server, ""
    why = masked(engine.reason) or "there is no client to ask it"
    access, still = engine.access, "main_pytest.py still works by the embedded engine `venv`"
    if fault := faults.explain(engine.reason):
        return MISSING, f"{fault.what} ({why}); {still}", fault.fix
    if access.by:
        what = f"{access.by} names {masked(access.value)}, which does not answer"
        return MISSING, f"{what} ({why}); {still}", access.undo
    # An installation does not repair a closed socket.
    return MISSING, f"no engine answers ({why}); {still}", _judge_socket(access)[2] or INSTALL


def judge_buildx(engine: Engine) -> tuple[str, str, str]:
    """The builder's plugin is there."""
    return _plugin(engine, "buildx", MISSING, "no image can be built")


def judge_compose(engine: Engine) -> tuple[str, str, str]:
    """The compose plugin is there."""
    return _plugin(engine, "compose", WARN, "compose files can not be used")


def _plugin(engine: Engine, name: str, mark: str, effect: str) -> tuple[str, str, str]:
    if name in engine.plugins:
        return OK, engine.plugins[name], ""
    if engine.reason and not engine.plugins:
        return WARN, "cannot tell: the client does not answer", ""
    return mark, f"the client has no plugin {name}: {effect}", INSTALL


def judge_store(engine: Engine) -> tuple[str, str, str]:
    """Images are kept by containerd."""
    if not engine.server:
        return WARN, f"cannot tell: {_NO_ENGINE}", ""
    if "io.containerd.snapshotter" in engine.store:
        return OK, "containerd: can build for several platforms", ""
    detail = "the old one: builds for one platform only (switching hides the images that are there)"
    return WARN, detail, f"{INSTALL} --switch-store"


def look_at_access() -> Access:
    """Look at the socket and at the user's groups."""
    by, value, host, undo = api.chosen()
    socket = host.removeprefix("unix://") or DEFAULT_SOCKET
    user = getpass.getuser()
    there, writable = os.path.exists(socket), os.access(socket, os.W_OK)
    return Access(host if by else "", there, writable, faults.is_member(), user, by, value, undo, api.config_fault())


def judge_access(engine: Engine) -> tuple[str, str, str]:
    """This user may use the engine's socket."""
    if engine.server:
        return OK, "the engine answers this user", ""
    if engine.access.by:
        return WARN, f"cannot tell: {_NO_ENGINE}", ""
    return _judge_socket(engine.access)


def _judge_socket(access: Access) -> tuple[str, str, str]:
    if not access.exists:
        return MISSING, f"there is no socket {DEFAULT_SOCKET}: no engine runs here", INSTALL
    if access.writable:
        return OK, "the engine's socket is open to this user", ""
    if access.member:
        return MISSING, f"{access.user} is in the group {faults.GROUP}, but not yet in this session", faults.NEW_GROUP
    return (
        MISSING,
        f"permission denied on the engine's socket: {access.user} is not in the group {faults.GROUP}",
        faults.JOIN,
    )


def judge_disk(engine: Engine) -> tuple[str, str, str]:
    """Images have room; the disk of another machine's engine is not seen from here."""
    if engine.access.host and not engine.access.host.startswith("unix://"):
        return OK, "cannot tell: the engine is on another machine", ""
    return judge_space(engine.free)


def gather_stale() -> tuple[int, int]:
    """Return (our containers, those of them whose owner is dead)."""
    if not shutil.which(argv.DOCKER):
        raise InfrastructureError(_NO_ENGINE)
    done = proc.run(argv.list_containers(), timeout=_SECONDS)
    if done.code:
        raise InfrastructureError(_NO_ENGINE)
    owners = [str(json.loads(line)["owner"]) for line in done.stdout.splitlines()]
    return len(owners), sum(map(ownership.is_dead, owners))


def judge_stale(counts: tuple[int, int]) -> tuple[str, str, str]:
    """Nothing was left by a killed driver."""
    total, dead = counts
    if dead:
        return WARN, f"{dead} of {total} containers of ours were left by a process that is gone", "invoke docker_kill"
    return OK, f"{total} of ours, none left behind", ""


CHECKS: tuple[Check[Any], ...] = (
    Check("client", gather_engine, judge_client),
    Check("engine", gather_engine, judge_engine),
    Check("access", gather_engine, judge_access),
    Check("buildx", gather_engine, judge_buildx),
    Check("compose", gather_engine, judge_compose),
    Check("image store", gather_engine, judge_store),
    Check("disk (engine)", gather_engine, judge_disk),
    Check("containers", gather_stale, judge_stale),
)
