"""Small questions and orders to the docker client, apart from builds and test runs."""

from __future__ import annotations

import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from helpers import host, proc, spawn
from helpers.console import say
from helpers.engine import api, argv, faults, ownership
from helpers.engine.specs import RunSpec
from helpers.errors import InfrastructureError
from helpers.model.image import OURS, short_reference
from helpers.storage import cache_dir, digest, write_once
from helpers.thin_env.threads import started

_PULL_SECONDS = 3600.0
# The limit for the first answer of an engine: a run ends within 10 s, and a busy engine may need 5 s.
_PATIENCE_SECONDS = 8.0
_QUIET_SECONDS = 2.0
# The client's words for each missing object.
_MISSING = re.compile(r"no such (image|container|object)", re.IGNORECASE)
_SAVE_SECONDS = 600.0
# The oldest API of the newest clients (https://docs.docker.com/engine/release-notes/29/).
_SPOKEN_BY_ALL = (1, 44)
# What is started, each kind after what may stand on it: how it is listed, and how removed.
_KINDS = (
    ("/containers/json", argv.list_containers, argv.remove_containers),
    ("/networks", argv.list_networks, argv.remove_networks),
    ("/volumes", argv.list_volumes, argv.remove_volumes),
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.engine.seam import Control


def why_not_running() -> str:
    """Return why no docker engine answers, in the client's words; empty when one does."""
    end = time.monotonic() + _PATIENCE_SECONDS
    try:
        with _waiting():
            # A running engine is of no use without the client.
            if any(os.access(os.path.join(path, argv.DOCKER), os.X_OK) for path in os.get_exec_path()):
                answer = api.ask("/_ping", seconds=_PATIENCE_SECONDS)
                if answer and answer.status == 200 and not () < answer.version < _SPOKEN_BY_ALL:
                    return ""
            left = end - time.monotonic()
            done = proc.run(argv.version(), timeout=left) if left > 0 else None
    except InfrastructureError as error:
        if time.monotonic() < end:
            return error.what
        done = None
    if not done:
        return _silence()
    return done.reason if done.code else ""


@contextmanager
def _waiting() -> Iterator[None]:
    """Print the name of the engine, if the engine is slow to answer."""
    waits = threading.Timer(_QUIET_SECONDS, say, [f"waiting for the engine at {_place()}"])
    waits.daemon = True
    started(waits)
    try:
        yield
    finally:
        waits.cancel()


def _place() -> str:
    return api.chosen().host or "the address of the client"


def _silence() -> str:
    return f"the engine at {_place()} {faults.SILENT} {_PATIENCE_SECONDS:g} s"


def account_files(user: host.User) -> Path:
    """Return a directory with a `passwd` and a `group` in which the caller has a name and a home."""
    root = "root:x:0:0:root:/root:/bin/bash\n"
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    line = f"{user.name}:x:{user.uid}:{user.gid}:{user.name}:{user.home}:/bin/bash\n"
    passwd = root + nobody + (line if user.uid else "")
    group = "root:x:0:\nnogroup:x:65534:\n" + (f"{user.name}:x:{user.gid}:\n" if user.gid else "")
    home = cache_dir() / "accounts" / digest(passwd, group)[:16]
    write_once(home / "passwd", passwd)
    write_once(home / "group", group)
    return home


@contextmanager
def env_file(values: Mapping[str, str]) -> Iterator[int | None]:
    """Yield a file descriptor of variables as the client reads them; None without variables.

    The file has no name: the values are gone when the last program that holds the file has ended.
    """
    if not values:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write("".join(f"{name}={value}\n" for name, value in values.items()).encode())
        file.seek(0)
        yield file.fileno()


@dataclass(frozen=True)
class Image:
    """What the engine knows of one of its images.

    Arguments:
        id: its id.
        labels: what it says of itself.
        digests: references by digest that find it.
    """

    id: str
    labels: Mapping[str, str]
    digests: tuple[str, ...]


def inspect_images(references: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the engine says of those of the images that it has.

    Raises:
        InfrastructureError: it does not answer.
    """
    found: list[dict[str, Any]] = []
    for reference in references:
        known = _known(f"/images/{reference}/json")
        if known is None:
            return _inspected(argv.inspect_images(references))
        found += known
    return found


@cache
def reach() -> None:
    """Check the engine once; without this check each question to a silent engine takes a minute.

    Raises:
        InfrastructureError: the engine is silent.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    with _waiting():
        # A socket of this machine is asked directly; any answer, an error too, shows a working engine.
        if not api.ask("/_ping", seconds=_PATIENCE_SECONDS):
            try:
                proc.run(argv.version(), timeout=max(0.1, end - time.monotonic()))
            except InfrastructureError:
                if time.monotonic() >= end:
                    raise faults.no_answer(_silence()) from None


def _known(path: str) -> list[dict[str, Any]] | None:
    """Return the engine's object at a path, empty if missing; None if only the client may ask the engine."""
    answer = api.ask(path)
    if answer and answer.status == 404:
        return []
    return [answer.data] if answer and answer.status == 200 and isinstance(answer.data, dict) else None


def _inspected(command: Sequence[str]) -> list[dict[str, Any]]:
    """Return the objects that a command of the client inspects, without missing objects."""
    done = proc.run(command)
    said = [line for line in done.stderr.splitlines() if line.strip() and not _MISSING.search(line)]
    if done.code and (said or not done.stdout.strip()):
        raise faults.no_answer(said[-1] if said else done.reason)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def inspect_container(name: str) -> dict[str, Any]:
    """Return the engine's data about a container; empty for a missing container.

    Raises:
        InfrastructureError: it does not answer.
    """
    known = _known(f"/containers/{name}/json")
    found = _inspected(argv.inspect_container(name)) if known is None else known
    return found[0] if found else {}


def remove_container(name: str) -> bool:
    """End and remove a container; return whether it is gone for sure."""
    answer = api.ask(f"/containers/{name}", "DELETE", query={"force": "1", "v": "1"})
    return bool(answer and answer.status in (204, 404)) or proc.run(argv.remove_containers([name])).code == 0


def find_image(reference: str) -> Image | None:
    """Return the image `reference`; None if the engine does not have it."""
    found = inspect_images([reference])
    if not found:
        return None
    image = found[0]
    digests = tuple(map(short_reference, image.get("RepoDigests") or []))
    return Image(image["Id"], image.get("Config", {}).get("Labels") or {}, digests)


def tags(repository: str) -> list[str]:
    """Return the tags of the images that the engine has of `repository`.

    Raises:
        InfrastructureError: no engine answers.
    """
    # Without a tag in its name all are listed.
    name = short_reference(repository).removesuffix(":latest")
    return [row["tag"] for row in rows(argv.list_tags(name))]


def pull(reference: str, log: Path, control: Control, platform: str = "") -> None:
    """Pull an image with the client's own logins.

    Arguments:
        reference: the image.
        log: file that the client's output goes to.
        control: stops it.
        platform: for which platform; empty is what the engine runs on.

    Raises:
        InfrastructureError: it could not be pulled.
    """
    from helpers.engine.supervise import supervise  # only a pull takes time
    from helpers.thin_env.slow_steps import shown

    child = proc.Child(argv.pull(reference, platform))
    child.close_input()
    with shown(f"pulling {reference}", output=log):
        ended = supervise(child, log, _PULL_SECONDS, control, [(child.terminate, 3.0), (child.kill, 5.0)])
    if ended.code or ended.stopped or ended.timed_out:
        reason = (ended.output.strip().splitlines() or ["no output"])[-1]
        raise InfrastructureError(f"the image was not pulled: {reason}", where=reference, fix="run it again")


def save(image: str, layout: Path) -> None:
    """Write an image of the engine to the directory `layout`, as an OCI layout.

    Raises:
        InfrastructureError: the engine does not give it.
    """
    import tarfile  # only this needs it

    archive = layout.with_name(f"{layout.name}.tar")
    done = proc.run(argv.save(image, archive), timeout=_SAVE_SECONDS)
    if done.code:
        raise InfrastructureError(f"the engine did not give the image: {done.reason}", where=image, fix="invoke doctor")
    with tarfile.open(archive) as file:
        # Python 3.10 and 3.11 know the filter from some patch release on.
        file.extraction_filter = getattr(tarfile, "data_filter", None)
        file.extractall(layout)
    archive.unlink()


def tag(source: str, target: str) -> None:
    """Give an image of the engine another name.

    Raises:
        InfrastructureError: the engine refuses.
    """
    done = proc.run(argv.tag(source, target))
    if done.code:
        raise InfrastructureError(f"the engine refused: {done.reason}", where=target, fix="invoke doctor")


def guard(spec: RunSpec) -> None:
    """See to it that the container `spec`, and all that is started for it, is removed when this process has ended."""

    def end() -> None:
        proc.run(argv.remove_containers([spec.name]))
        if spec.services or spec.docker:
            remove_within(spec.name)

    spawn.after_death(end)


def become(spec: RunSpec) -> None:
    """Replace this process by the client that runs `spec`; its terminal, signals and exit code are the caller's."""
    with env_file(spec.file_values) as file:
        if file is not None:
            os.set_inheritable(file, True)
        proc.replace(argv.run(spec, account_files=account_files(spec.user), remove=True, env_file=file))


def rows(command: Sequence[str]) -> list[dict[str, str]]:
    """Return what a listing command of the client prints, one dictionary a line.

    Raises:
        InfrastructureError: no engine answers.
    """
    reach()
    done = proc.run(command)
    if done.code:
        # A list fails when something on it is removed while it is made.
        done = proc.run(command)
    if done.code:
        raise faults.no_answer(done.reason)
    return [json.loads(line) for line in done.stdout.splitlines()]


def sizes(images: Sequence[str]) -> dict[str, int]:
    """Return the bytes of each image of `images`, by its id; layers that it shares with others are counted in each."""
    found = _inspected(argv.inspect_images(images)) if images else []
    return {image["Id"]: image["Size"] for image in found}


def name_of(image: str) -> str:
    """Return a reference of the image with the id `image`: a recipe may build on that, not on an id."""
    found = _inspected(argv.inspect_images([image]))
    names = sorted(
        (name for one in found for name in one.get("RepoTags") or []), key=lambda name: ":inputs-" not in name
    )
    return names[0] if names else image


def is_in_use(image: str) -> bool:
    """Say whether a container, of whomever, running or not, stands on the image with the id `image`."""
    return bool(rows(argv.list_containers_on(image)))


def remove(chosen: Callable[[dict[str, str]], bool], *, strict: bool = False) -> list[int]:
    """Remove those of our containers, networks and volumes that are `chosen`; return how many of each there were.

    Arguments:
        chosen: is given what a listing says of one: `name`, `owner`, `dir`, `root`, `within`.
        strict: whether it matters that one of them could not be removed.

    Raises:
        InfrastructureError: no engine answers; one could not be removed, and that matters.
    """
    counts = []
    for path, listing, removal in _KINDS:
        there = _ours(path)
        found = [row["id"] for row in (rows(listing()) if there is None else there) if chosen(row)]
        done = proc.run(removal(found), timeout=120) if found else None
        if strict and done and done.code:
            raise InfrastructureError(f"the engine refused: {done.reason}", fix="invoke doctor")
        counts.append(len(found))
    return counts


def _ours(path: str) -> list[dict[str, str]] | None:
    """Return what is ours of one kind, as `rows` does; None where only the client can say it."""
    answer = api.ask(path, query={"all": "1", "filters": json.dumps({"label": [OURS]})})
    if not answer or answer.status != 200:
        return None
    found = answer.data
    # Volumes have no number, their name is all; the engine says null for a list of none.
    items = (found.get("Volumes") if isinstance(found, dict) else found) or []
    if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
        return None
    rows = []
    for item in items:
        labels = item.get("Labels") or {}
        name = item.get("Name") or (item.get("Names") or [""])[0].removeprefix("/")
        about = {key: labels.get(label, "") for key, label in argv.LABELS.items()}
        rows.append({"id": item.get("Id") or name, "name": name, **about})
    return rows


def remove_within(name: str) -> None:
    """Remove all that was started for the container `name`; what the engine is just making too."""
    for pause in (0.0, 0.2, 0.5, 1.0, 2.0):
        time.sleep(pause)
        if not any(remove(lambda row: row["within"] == name)):
            return


def reap() -> int:
    """Remove the containers, networks and volumes whose owners are dead; return how many containers there were."""
    return remove(lambda row: ownership.is_dead(row["owner"]))[0]


def reap_after_death() -> None:
    """Remove what this process's parent, which has just died, left; also what the engine was just making for it."""
    for pause in (0, 1, 4):
        time.sleep(pause)
        reap()
