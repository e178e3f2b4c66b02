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
from helpers.engine import argv, build_output, client, compose_file, dockerfile, service_names, service_rules
from helpers.engine.install import install_command
from helpers.engine.nesting import within
from helpers.engine.seam import Control
from helpers.engine.service_rules import USER_VARIABLE
from helpers.engine.specs import RunSpec
from helpers.engine.supervise import Ended, supervise
from helpers.errors import BuildError, ConfigError, InfrastructureError
from helpers.model.image import LABEL_DIR, LABEL_ROOT, OURS
from helpers.model.policy import Need, refusal
from helpers.storage import digest, scratch, use

# Seconds until every service must be healthy, until its image must be there, and until all of that is given up.
_HEALTHY_SECONDS = 120
_IMAGE_SECONDS = 1800.0
_SLACK_SECONDS = 60.0
# The engine keeps the end of a service's output: two files of this size.
_LOG = {"driver": "json-file", "options": {"max-size": "16m", "max-file": "2"}}
_RUNNER = Path(inside.__file__).parent / "runner.py"
_NO_COMPOSE = ("is not a docker command", "unknown flag: --ansi", "unknown command")
_NO_SUCH_IMAGE = ("not found", "manifest unknown", "access denied", "does not exist", "invalid reference")
# Variables by which compose finds the engine. Compose gets no further variable, because a file can name each variable.
_CLIENT = (
    *("PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS", "DOCKER_TLS_VERIFY"),
    *("DOCKER_API_VERSION", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "TMPDIR"),
)

# https://docs.docker.com/engine/network/drivers/bridge/#default-bridge-network: the machine gets no address there.
_NO_ADDRESS = "com.docker.network.bridge.inhibit_ipv4"

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
    needed = _granted(found, spec)
    service_names.check(found["services"], spec.options, spec.services)
    kept = private(found, spec)
    log.parent.mkdir(parents=True, exist_ok=True)
    # Values of variables stand in the file: nobody else may read it, and it goes also after a kill.
    with scratch() as folder:
        file = folder / "services.json"
        file.write_text(json.dumps(kept), encoding="utf-8")
        _get_images(kept, file, spec, log, control)
        _start(file, spec, log, control)
    ports = {name: _port(service, kept["services"][name]) for name, service in found["services"].items()}
    return Ready(
        replace(spec, network=f"{spec.name}_default", env={**spec.env, **addresses(ports)}),
        tuple(need.text for need in needed),
        tuple(_in_words(spec.name, ports)),
    )


def read(file: Path, spec: RunSpec) -> Data:
    """Return what compose makes of `file`; the only variables that it may use are those that the container is given.

    Raises:
        ConfigError: compose refuses the file, or it uses a variable that is not set.
        InfrastructureError: there is no compose here.
    """
    written = compose_file.read(file)
    _granted(written, spec)
    # Compose reads the checked data: compose may read the text of the file otherwise than we do.
    checked = json.dumps({key: value for key, value in written.items() if not key.startswith("x-")})
    done = proc.run(argv.read_compose(file.parent, spec.name), env=_environment(spec), stdin=checked)
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


def _granted(found: Mapping[str, Any], spec: RunSpec) -> list[Need]:
    """Return the rights that services need.

    Raises:
        ConfigError: a key or value of the file is not allowed.
        PolicyError: the policy does not grant one of the rights.
    """
    assert spec.services
    directory = Path(os.path.realpath(spec.services.parent.parent))
    root = Path(os.path.realpath(spec.labels.get(LABEL_ROOT, directory)))
    place = service_rules.Place(spec.services, directory, root, _caller(spec))
    needed = service_rules.needs(found, place)
    if missing := [need for need in needed if need.right not in spec.services_may]:
        raise refusal(spec.labels.get(LABEL_DIR, "."), missing)
    return needed


def _caller(spec: RunSpec) -> str:
    return f"{spec.user.uid}:{spec.user.gid}"


def _environment(spec: RunSpec) -> dict[str, str]:
    """Return the whole environment of compose; a file may use each variable."""
    handed_on = {name: os.environ[name] for name in (*spec.inherit, *_CLIENT) if name in os.environ}
    own = {"HOME": str(Path.home()), "HELPERS_IMAGE": client.name_of(spec.image), USER_VARIABLE: _caller(spec)}
    return {"PATH": os.defpath, **handed_on, **own}


def private(found: Mapping[str, Any], spec: RunSpec) -> Data:
    """Return compose's description of services, kept to the life of the container `spec`.

    Raises:
        ConfigError: they would not be private: another network than their own, a volume that is there already;
            or a build names a frontend other than Docker's.
    """
    kept: Data = json.loads(json.dumps(found))
    labels = within(spec)
    kept.setdefault("networks", {}).setdefault("default", {})
    for kind in ("networks", "volumes"):
        for name, item in kept.get(kind, {}).items():
            item |= {"name": f"{spec.name}_{name}", "labels": dict(labels)}
    # The checked paths are mounted, even if a link changes later.
    for item in (*kept.get("secrets", {}).values(), *kept.get("configs", {}).values()):
        if "file" in item:
            item["file"] = os.path.realpath(item["file"])
    for network in kept["networks"].values():
        network["internal"] = spec.network == "none"
        if network["internal"]:
            # Otherwise this machine has an address there, and its ports are open to tests and services.
            network |= {"driver_opts": {_NO_ADDRESS: "true"}, "enable_ipv6": False}
    for name, service in kept["services"].items():
        _keep_private(name, service, spec, labels)
    return kept


def _keep_private(name: str, service: Data, spec: RunSpec, labels: Mapping[str, str]) -> None:
    if not service.get("network_mode"):
        service["networks"] = {"default": None, **(service.get("networks") or {})}
    # Other programs of this machine obey labels of containers.
    service |= {"labels": dict(labels), "restart": "no"}
    # `environment` has its content. For a variable without a value compose would take a value of ours.
    service.pop("env_file", None)
    for table in (service, service.get("build") or {}):
        for key in ("environment", "args"):
            if isinstance(table.get(key), dict):
                table[key] = {name: value for name, value in table[key].items() if value is not None}
    service.pop("container_name", None)
    ports = [] if spec.network == "none" else service.get("ports", [])
    # The engine chooses the port of this machine, so that none is ever taken.
    service["ports"] = [
        {**{key: value for key, value in port.items() if key != "published"}, "host_ip": "127.0.0.1"} for port in ports
    ]
    limits = (service.get("deploy", {}).get("resources") or {}).get("limits")
    for key, limit, value in (("mem_limit", "memory", spec.memory), ("pids_limit", "pids", spec.pids)):
        if key not in service:
            # Compose refuses two places with different values.
            (limits or service).setdefault(limit if limits else key, value)
    if (service.get("logging") or {}).get("driver") != "none":
        service["logging"] = _LOG
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            # Otherwise the engine makes a missing one, as a directory of root's.
            volume |= {"source": os.path.realpath(volume["source"]), "bind": {"create_host_path": False}}
            if not volume.get("read_only"):
                service["security_opt"] = [*(service.get("security_opt") or []), "no-new-privileges:true"]
    if "build" in service:
        assert spec.services
        dockerfile.check_build(service["build"], spec.services)
        service["image"] = f"helpers-service-{digest(str(spec.services), name)[:16]}:latest"
        service["build"]["labels"] = {OURS: "image"}


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
        # The engine refuses a text without a port.
        if number := re.match(r"\d{1,5}", str(port)):
            return int(number[0])
    for port in service.get("ports") or []:
        return int(port["target"])
    done = proc.run(argv.inspect_images([kept["image"]]))
    known = [image.get("Config", {}).get("ExposedPorts") or {} for image in json.loads(done.stdout or "[]")]
    return min((int(port.partition("/")[0]) for ports in known for port in ports), default=None)


def _get_images(kept: Data, file: Path, spec: RunSpec, log: Path, control: Control) -> None:
    services = kept["services"].values()
    for image in sorted({service["image"] for service in services if "build" not in service}):
        if client.find_image(image) is None:
            ended = _follow(argv.pull(image), log, _IMAGE_SECONDS, control, dict(os.environ))
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
        ended = _follow(argv.build_services(file, spec.name), log, _IMAGE_SECONDS, control, _environment(spec))
        if ended.code:
            what = f"the image of a service did not build: {build_output.cause(ended.output)}"
            raise BuildError(what, where=spec.services, fix=f"read {log}")


def _start(file: Path, spec: RunSpec, log: Path, control: Control) -> None:
    command = argv.start_services(file, spec.name, _HEALTHY_SECONDS)
    ended = _follow(command, log, _HEALTHY_SECONDS + _SLACK_SECONDS, control, _environment(spec))
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
            waits = f"depends_on: {{{row['service']}: {{condition: service_completed_successfully}}}}"
            raise ConfigError(
                f"service {row['service']} ended with exit code {code}{told}",
                where=spec.services,
                fix=f"{waits}  (in a service that stays; then it may end)" if code == "0" else read,
            )
        if ("healthy" in row["status"] and "(healthy)" not in row["status"]) or "starting" in row["status"]:
            raise InfrastructureError(
                f"service {row['service']} did not become healthy{told}", where=spec.services, fix=read
            )
    full = "address pool" in ended.output
    fix = "invoke docker_kill  (ends ours), docker network prune  (removes unused ones of others)" if full else read
    what = f"the services did not start: {_last(ended.output)}"
    raise InfrastructureError(what, where=spec.services, fix=fix)


def _follow(command: list[str], log: Path, timeout: float, control: Control, env: Mapping[str, str]) -> Ended:
    # Compose would go on after our death and start what nobody ends; the runner ends it with us.
    child = proc.Child([sys.executable, "-I", "-S", str(_RUNNER), *command], env=env)
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
