"""Containers that start containers: what a container is given to reach this machine's engine, or to have its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from helpers import inside, proc
from helpers.engine import argv, client
from helpers.engine.specs import Mount, RunSpec
from helpers.errors import InfrastructureError
from helpers.model.image import LABEL_WITHIN, OURS

_INSIDE = Path(inside.__file__).parent


def grant(spec: RunSpec) -> RunSpec:
    """Return `spec` with all that its setting `docker` stands for; as it is when that is empty.

    Raises:
        InfrastructureError: a sibling is asked for, and the engine is reached by something else than a socket.
    """
    if spec.docker == "child":
        user = (str(spec.user.uid), str(spec.user.gid))
        mounts = (*spec.mounts, *(Mount(_INSIDE),) * (not _sees(spec, _INSIDE)))
        return replace(spec, argv=("python", str(_INSIDE / "own_engine.py"), *user, *spec.argv), mounts=mounts)
    if spec.docker == "sibling":
        path = _socket()
        # Docker's own client reads it as it stands: `docker run --label-file <(printenv HELPERS_LABELS)`.
        labels = "\n".join(f"{name}={value}" for name, value in within(spec).items())
        env = {**spec.env, "HELPERS_LABELS": labels, "HELPERS_IMAGE": client.name_of(spec.image)}
        return replace(spec, socket=path, groups=(*spec.groups, path.stat().st_gid), env=env)
    return spec


def within(spec: RunSpec) -> dict[str, str]:
    """Return the labels of what is started for the container `spec`, by which it is removed with it."""
    return {OURS: "run", **spec.labels, LABEL_WITHIN: spec.name}


def _sees(spec: RunSpec, path: Path) -> bool:
    return any(path.is_relative_to(mount.path) for mount in spec.mounts)


def _socket() -> Path:
    host = proc.run(argv.endpoint()).stdout.strip() or f"unix://{argv.DEFAULT_SOCKET}"
    path = Path(host.removeprefix("unix://"))
    if not host.startswith("unix://") or not path.is_socket():
        raise InfrastructureError(
            f'docker = "sibling" needs an engine with a socket on this machine, and it is at {host}',
            fix='docker = "child", or: invoke doctor',
        )
    return path
