"""The container in which poetry locks a project if a dependency needs its build backend: a backend runs code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from helpers import config, host, proc, repo
from helpers.console import say
from helpers.engine import argv, client, ownership
from helpers.engine.choose import docker_engine
from helpers.engine.seam import Control, Ingredients
from helpers.engine.specs import Mount, RunSpec
from helpers.engine.tools import uv
from helpers.errors import ConfigError, InfrastructureError
from helpers.images import local_sources, package_indexes
from helpers.images.lock_source import LockSource
from helpers.images.recipe import image_layers, outside
from helpers.images.tool_environment import lock_of
from helpers.model.image import LABEL_DIR, LABEL_OWNER, LABEL_ROOT
from helpers.model.runnable import RunnableDir
from helpers.storage import cache_dir, scratch, use

_HERE = Path(__file__).parent
_SECONDS = 1800.0
_MEMORY, _PIDS = "4g", 1024
_CA_INSIDE = "/helpers/ca"
_SETTINGS = {
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "POETRY_NO_INTERACTION": "1",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    "NO_COLOR": "1",
    "UV_NO_CACHE": "1",
}


def run(source: LockSource, copies: Path, words: Sequence[str], needed: str) -> proc.Completed:
    """Run poetry in a container of the base of the project of a lock, and return the ended process.

    The container sees writable copies of the project's two files, and copies of its local sources without ignored
    files. The container has a network, and the host's settings of the package index; no variable of the caller, no
    capability.

    Arguments:
        source: the lock.
        copies: directory with copies of its files.
        words: the arguments of the wrapper.
        needed: the source that needs its build backend, for messages.

    Raises:
        InfrastructureError: no docker engine answers.
        ConfigError: `needed` lies on this machine and outside the checkout.
    """
    path = source.directory
    root = Path(os.path.realpath(repo.find_root(path)))
    _check_inside(root, path, needed)
    try:
        engine = docker_engine()
    except InfrastructureError as error:
        raise InfrastructureError(
            f"cannot lock without a docker engine: {needed} names its dependencies only by its build backend",
            where=path / "pyproject.toml",
            why=f"a build backend is code, and runs in a container only; {error.why or error.what}",
            fix=f"{error.fix}; or give that source a [project] table with nothing dynamic",
        ) from None
    say(f"locking in a container: {needed} needs its build backend")
    runnable = config.load(root, path, (), unfinished=True)
    base = outside(image_layers(runnable, config.loader(root))[-1])
    use("images", base.reference)
    found = engine.find([base.reference])
    log = cache_dir() / "builds" / "lock.log"
    image = found.get(base.reference) or engine.provide(base, Ingredients(), log, Control())
    with scratch() as aside:
        logins = package_indexes.login_variables(source)
        spec = _spec(runnable, image, copies, words, sources=dict(_copied(root, path, aside)), logins=logins)
        try:
            command = argv.run(spec, account_files=client.account_files(spec.user), remove=True)
            given = {name: value for name, value in {**_environment(), **logins}.items() if name in spec.inherit}
            return proc.run(command, env={**os.environ, **given}, timeout=_SECONDS)
        finally:
            client.remove_container(spec.name)


def _check_inside(root: Path, path: Path, needed: str) -> None:
    source = Path(needed)
    if source.is_absolute() and not source.is_relative_to(root):
        raise ConfigError(
            f"depends on {needed}, which needs its build backend and lies outside the repo",
            where=path / "pyproject.toml",
            why="a build backend runs in a container only, and a container sees nothing outside the repo",
            fix=f"move it below {root}, or give it a [project] table with nothing dynamic",
        )


def _spec(
    runnable: RunnableDir,
    image: str,
    copies: Path,
    words: Sequence[str],
    *,
    sources: Mapping[str, Path],
    logins: Mapping[str, str],
) -> RunSpec:
    user = host.user()
    files = {"lock.sh": _HERE / "lock-in-container.sh", "poetry_for_python.py": _HERE / "poetry_for_python.py"}
    files |= {"poetry.txt": lock_of("poetry"), "uv": uv()}
    settings = host.settings()
    files_of_host = {name: value for name, value in _environment().items() if value == _CA_INSIDE}
    programs = {f"/helpers/{name}": file for name, file in files.items()} | dict(sources)
    return RunSpec(
        name=f"helpers-lock-{os.urandom(6).hex()}",
        image=image,
        argv=("sh", "/helpers/lock.sh", *words),
        cwd=copies,
        user=user,
        mounts=(Mount(copies, read_only=False),),
        programs=programs | ({_CA_INSIDE: settings.ca} if settings.ca else {}),
        env={"HOME": user.home, "HELPERS_BACKENDS_RUN": "1", **_SETTINGS, **files_of_host},
        # Their values, a password of an index maybe, stand on no command line.
        inherit=tuple(name for name in {**_environment(), **logins} if name not in files_of_host),
        network="bridge",
        memory=_MEMORY,
        pids=_PIDS,
        read_only=True,
        labels={
            LABEL_DIR: runnable.name,
            LABEL_ROOT: str(runnable.root),
            LABEL_OWNER: ownership.this_owner(),
        },
    )


def _environment() -> dict[str, str]:
    """Return the host's settings of the package index, as the container is given them."""
    settings = host.settings()
    return settings.environment(_CA_INSIDE if settings.ca else None) | {"POETRY_PYPI_MIRROR_URL": host.pip_index()}


def _copied(root: Path, path: Path, aside: Path) -> Iterator[tuple[str, Path]]:
    """Copy the project's local sources in the checkout; yield each path with its copy."""
    inside = (source for source in local_sources.of_project(path) if source.is_relative_to(root))
    for number, source in enumerate(inside):
        copy = aside / str(number)
        copy.mkdir()
        for file in repo.files(repo.find_root(source), f"{source.relative_to(repo.find_root(source)).as_posix()}/**"):
            target = copy / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.is_symlink() or file.is_file():
                shutil.copy2(file, target, follow_symlinks=False)
        yield str(source), copy
