"""Services beside one container: those of a compose file, on a network that only they and the container are on.

Compose itself says what the file means. That answer is kept to one container's life, and what comes out is started:
nothing of it has a name, a port or a network that another run could meet.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from helpers import inside, proc
from helpers.engine import argv, client
from helpers.engine.install import install_command
from helpers.engine.nesting import within
from helpers.engine.seam import Control
from helpers.engine.specs import RunSpec
from helpers.engine.supervise import Ended, supervise
from helpers.errors import BuildError, ConfigError, InfrastructureError
from helpers.model.image import OURS
from helpers.storage import digest, use

# Seconds until every service must be healthy, until its image must be there, and until all of that is given up.
_HEALTHY_SECONDS = 120
_IMAGE_SECONDS = 1800.0
_SLACK_SECONDS = 60.0
_RUNNER = Path(inside.__file__).parent / "runner.py"
_NO_COMPOSE = ("is not a docker command", "unknown flag: --ansi", "unknown command")
_NO_SUCH_IMAGE = ("not found", "manifest unknown", "access denied", "does not exist", "invalid reference")
_MORE_RIGHTS = ("cap_add", "devices", "device_cgroup_rules", "security_opt", "sysctls")
_HOST_RIGHTS = ("pid", "ipc", "uts", "userns_mode", "cgroup")

Data = dict[str, Any]


class StoppedError(Exception):
    """The user stopped the run before the services were there."""


@dataclass(frozen=True)
class Ready:
    """Services that stand.

    Arguments:
        spec: the container that they were started for, on their network and with their addresses.
        weaker: what they were given beyond Docker's own rules, a line each.
        addresses: where each service answers, in words.
    """

    spec: RunSpec
    weaker: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


def start(spec: RunSpec, log: Path, control: Control) -> Ready:
    """Start the services of `spec` and wait until they are healthy; without services that is nothing.

    The caller removes them again, by `client.remove_within`, also after an error.

    Arguments:
        spec: the container that they stand beside.
        log: file for what compose and builds print.
        control: stops it.

    Raises:
        ConfigError: the file is wrong, or a service ended.
        BuildError: a service's image does not build.
        InfrastructureError: an image could not be fetched, or a service was not healthy in time.
        StoppedError: `control` stopped it.
    """
    if not spec.services:
        return Ready(spec)
    found = read(spec.services, spec)
    kept = private(found, spec)
    file = log.with_name("services.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    # Values of variables stand in it.
    file.touch(mode=0o600)
    try:
        file.write_text(json.dumps(kept), encoding="utf-8")
        _get_images(kept, file, spec, log, control)
        _start(file, spec, log, control)
    finally:
        file.unlink(missing_ok=True)
    ports = {name: _port(service, kept["services"][name]) for name, service in found["services"].items()}
    return Ready(
        replace(spec, network=f"{spec.name}_default", env={**spec.env, **addresses(ports)}),
        tuple(line for name, service in kept["services"].items() for line in weaker(name, service, spec.services)),
        tuple(_in_words(spec.name, ports)),
    )


def read(file: Path, spec: RunSpec) -> Data:
    """Return what compose makes of `file`; the only variables that it may use are those that the container is given.

    Raises:
        ConfigError: compose refuses the file, or it uses a variable that is not set.
        InfrastructureError: there is no compose here.
    """
    handed_on = {name: os.environ[name] for name in spec.inherit if name in os.environ}
    own = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(Path.home()),
        "HELPERS_IMAGE": client.name_of(spec.image),
    }
    settings = {"DOCKER_CONFIG": os.environ["DOCKER_CONFIG"]} if "DOCKER_CONFIG" in os.environ else {}
    done = proc.run(argv.read_compose(file, spec.name), env={**handed_on, **settings, **own})
    if any(text in done.stderr for text in _NO_COMPOSE):
        raise InfrastructureError("services need Docker Compose, which is not here", fix=install_command())
    if unset := re.search(r'"(\w+)\\?" variable is not set', done.stderr):
        name = unset[1]
        fix = f'set it and name it in [tool.helpers] env, or write "${{{name}:-its default}}"'
        raise ConfigError(f"uses the variable {name}, which is not set", where=file, fix=fix)
    if done.code:
        said = " ".join(done.stderr.split())[-300:]
        raise ConfigError(f"compose refuses it: {said}", where=file, fix="correct that line of it")
    found: Data = json.loads(done.stdout)
    return found


def private(found: Mapping[str, Any], spec: RunSpec) -> Data:
    """Return compose's description of services, kept to the life of the container `spec`.

    Raises:
        ConfigError: they would not be private: another network than their own, a volume that is there already.
    """
    kept: Data = json.loads(json.dumps(found))
    labels = within(spec)
    kept.setdefault("networks", {}).setdefault("default", {})
    for kind in ("networks", "volumes"):
        for name, item in kept.get(kind, {}).items():
            if item.get("external"):
                raise ConfigError(
                    f"{kind}: {name} is external: services must share nothing",
                    where=spec.services,
                    fix="leave `external` out: each run has one of its own",
                )
            item |= {"name": f"{spec.name}_{name}", "labels": {**item.get("labels", {}), **labels}}
    for network in kept["networks"].values():
        network["internal"] = spec.network == "none"
    for name, service in kept["services"].items():
        _keep_private(name, service, spec, labels)
    return kept


def _keep_private(name: str, service: Data, spec: RunSpec, labels: Mapping[str, str]) -> None:
    mode = service.get("network_mode", "")
    if mode and mode != "none" and not mode.startswith("service:"):
        raise ConfigError(
            f"services: {name}: network_mode {mode!r} is not private",
            where=spec.services,
            fix="leave network_mode out: each run has a network of its own",
        )
    if not mode:
        service["networks"] = {"default": None, **(service.get("networks") or {})}
    service |= {"labels": {**service.get("labels", {}), **labels}, "restart": "no"}
    service.pop("container_name", None)
    ports = [] if spec.network == "none" else service.get("ports", [])
    # The engine chooses the port of this machine, so that none is ever taken.
    service["ports"] = [
        {**{key: value for key, value in port.items() if key != "published"}, "host_ip": "127.0.0.1"} for port in ports
    ]
    if not service.get("deploy", {}).get("resources"):
        service.setdefault("mem_limit", spec.memory)
        service.setdefault("pids_limit", spec.pids)
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            # Otherwise the engine makes a missing one, as a directory of root's.
            volume["bind"] = {**volume.get("bind", {}), "create_host_path": False}
    if "build" in service:
        service["image"] = f"helpers-service-{digest(str(spec.services), name)[:16]}:latest"
        service["build"]["labels"] = {**service["build"].get("labels", {}), OURS: "image"}


def weaker(name: str, service: Mapping[str, Any], file: Path) -> Iterator[str]:
    """Yield what a service is given beyond Docker's own rules.

    Arguments:
        name: the service.
        service: its description.
        file: the compose file.
    """
    rights = ["privileged"] if service.get("privileged") else []
    rights += [f"{key} {', '.join(map(str, service[key]))}" for key in _MORE_RIGHTS if service.get(key)]
    rights += [f"{key} host" for key in _HOST_RIGHTS if service.get(key) == "host"]
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            outside = not Path(os.path.realpath(volume["source"])).is_relative_to(file.parent.parent)
            rights += [f"reads {volume['source']}"] if outside else []
            rights += [f"writes {volume['source']}"] if not volume.get("read_only") else []
    yield from (f"service {name}: {right}" for right in rights)


def addresses(ports: Mapping[str, int | None]) -> dict[str, str]:
    """Return the variables by which a test finds the services: `NAME_HOST`, and `NAME_PORT` where a port is known."""
    found = {}
    for name, port in ports.items():
        variable = re.sub(r"\W", "_", name.upper(), flags=re.ASCII)
        found[f"{variable}_HOST"] = name
        if port:
            found[f"{variable}_PORT"] = str(port)
    return found


def note_logs(name: str, log: Path) -> None:
    """Add to `log` the end of what each service printed that stands beside the container `name`."""
    with log.open("a", encoding="utf-8") as file:
        for row in _services(name):
            file.write(f"----- service {row['service']}: {row['status']}\n{_printed(row, 200)}")


def _port(service: Data, kept: Data) -> int | None:
    """Return the first port that the service declares: `expose`, then `ports`, then what its image exposes."""
    for port in service.get("expose") or []:
        return int(re.match(r"\d+", str(port))[0])  # type: ignore[index]
    for port in service.get("ports") or []:
        return int(port["target"])
    done = proc.run(argv.inspect_images([kept["image"]]))
    known = [image.get("Config", {}).get("ExposedPorts") or {} for image in json.loads(done.stdout or "[]")]
    return min((int(port.partition("/")[0]) for ports in known for port in ports), default=None)


def _get_images(kept: Data, file: Path, spec: RunSpec, log: Path, control: Control) -> None:
    services = kept["services"].values()
    for image in sorted({service["image"] for service in services if "build" not in service}):
        if client.find_image(image) is None:
            ended = _follow(argv.pull(image), log, _IMAGE_SECONDS, control)
            if ended.code:
                kind = ConfigError if any(text in ended.output for text in _NO_SUCH_IMAGE) else InfrastructureError
                raise kind(
                    f"the image {image} could not be fetched: {_last(ended.output)}",
                    where=spec.services,
                    fix=f"docker pull {image}  (a wrong name, no login, or no network), then again",
                )
    if built := [service["image"] for service in services if "build" in service]:
        for image in built:
            use("images", image)
        ended = _follow(argv.build_services(file, spec.name), log, _IMAGE_SECONDS, control)
        if ended.code:
            what = f"the image of a service did not build: {_last(ended.output)}"
            raise BuildError(what, where=spec.services, fix=f"read {log}")


def _start(file: Path, spec: RunSpec, log: Path, control: Control) -> None:
    command = argv.start_services(file, spec.name, _HEALTHY_SECONDS)
    ended = _follow(command, log, _HEALTHY_SECONDS + _SLACK_SECONDS, control)
    if ended.code or ended.timed_out:
        note_logs(spec.name, log)
        _explain(ended, spec, log)


def _explain(ended: Ended, spec: RunSpec, log: Path) -> NoReturn:
    read = f"read {log}"
    # One that ended well is a job that others waited for, and hardly the reason.
    for row in sorted(_services(spec.name), key=lambda row: row["status"].startswith("Exited (0)")):
        printed = " | ".join(_printed(row, 3).split("\n")).strip(" |")
        told = f"; it printed last: {printed[-300:]}" if printed else "; it printed nothing"
        if row["status"].startswith(("Exited", "Dead")):
            code = "".join(re.findall(r"\((\d+)\)", row["status"])[:1]) or "unknown"
            raise ConfigError(
                f"service {row['service']} ended with exit code {code}{told}", where=spec.services, fix=read
            )
        if ("healthy" in row["status"] and "(healthy)" not in row["status"]) or "starting" in row["status"]:
            raise InfrastructureError(
                f"service {row['service']} did not become healthy{told}", where=spec.services, fix=read
            )
    full = "address pool" in ended.output
    fix = "invoke docker_kill  (ends ours), docker network prune  (removes unused ones of others)" if full else read
    what = f"the services did not start: {_last(ended.output)}"
    raise InfrastructureError(what, where=spec.services, fix=fix)


def _follow(command: list[str], log: Path, timeout: float, control: Control) -> Ended:
    # Compose would go on after our death and start what nobody ends; the runner ends it with us.
    child = proc.Child([sys.executable, "-I", "-S", str(_RUNNER), *command])
    ended = supervise(
        child, log, timeout, control, [(lambda: child.write(b"t"), 3.0), (child.close_input, 2.0), (child.kill, 5.0)]
    )
    if ended.stopped:
        raise StoppedError
    return ended


def _services(name: str) -> list[dict[str, str]]:
    return [row for row in client.rows(argv.list_containers()) if row["within"] == name and row["service"]]


def _printed(row: Mapping[str, str], lines: int) -> str:
    done = proc.run(argv.logs(row["id"], lines))
    return done.stdout + done.stderr


def _in_words(name: str, ports: Mapping[str, int | None]) -> Iterator[str]:
    published = {row["service"]: re.findall(r"127\.0\.0\.1:\d+", row["ports"]) for row in _services(name)}
    for service, port in ports.items():
        outside = f" (on this machine {', '.join(published[service])})" if published.get(service) else ""
        yield f"{service}{f':{port}' if port else ''}{outside}"


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return (lines or ["no output"])[-1][:300]
