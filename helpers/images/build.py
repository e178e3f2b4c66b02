"""Gets images: those that are there already are used, the others are built, bases first."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from helpers import host
from helpers.console import say
from helpers.engine.seam import Control, Engine, Ingredients
from helpers.engine.specs import ImageSpec
from helpers.images import digests
from helpers.model import package_index
from helpers.model.stage import Stage
from helpers.storage import cache_dir
from helpers.thin_env.threads import started


def ensure(engine: Engine, chain: Sequence[ImageSpec], control: Control) -> str:
    """Return the id of the last image of `chain`, after building what is missing.

    Arguments:
        engine: builds them.
        chain: images, each one built on the one before it.
        control: stops a build.

    Raises:
        BuildError: one of them can not be built.
    """
    found = engine.find([image.reference for image in chain])
    wanted = missing(chain, found)
    export = host.once(lambda: export_locks(chain[: chain.index(image) + 1] for image in wanted))
    for image in wanted:
        export_beside(image, export)
        with told(image.key, engine.describe(image)):
            found[image.reference] = build_one(engine, chain[: chain.index(image) + 1], logs(), control)
    return found[chain[-1].reference]


@contextmanager
def told(key: str, doing: str) -> Iterator[None]:
    """Say what is done to get the image `key`, and, when it went well, how long that took."""
    if doing:
        say(doing)
    start = time.monotonic()
    yield
    if doing:
        say(f"{key} is ready after {time.monotonic() - start:.0f} s")


def logs() -> Path:
    """Return the directory for the output of builds that belong to no run of tests."""
    return cache_dir() / "builds"


def missing(chain: Sequence[ImageSpec], there: Container[str]) -> Sequence[ImageSpec]:
    """Return the images of `chain` that must be made: those above the last one that is there, which has all below it.

    Arguments:
        chain: images, each one built on the one before it.
        there: references of the images that are there; one question to the engine answers it for all.
    """
    above = next((count for count, image in enumerate(reversed(chain)) if image.reference in there), len(chain))
    return chain[len(chain) - above :]


def build_one(engine: Engine, chain: Sequence[ImageSpec], logs: Path, control: Control) -> str:
    """Build the last image of `chain`, whose others are there already, and return its id."""
    image = chain[-1]
    base = chain[-2].reference if len(chain) > 1 else ""
    log = logs / f"build-{image.inputs[:16]}.log"
    # The builder needs what pip says, and the lock's export takes longer than pip.
    with host.asked_ahead():
        made_of = ingredients(chain, base)
    made = engine.provide(image, made_of, log, control)
    digests.remember(image.reference, made)
    return made


def ingredients(chain: Sequence[ImageSpec], base: str) -> Ingredients:
    """Return what the last image of `chain` is made from: all groups of dependencies, in `prod` only the main one.

    Arguments:
        chain: images, each one built on the one before it.
        base: reference of the image that it is built on.
    """
    from helpers.images import git_sources, lock, package_indexes  # slow to import, and most runs build nothing

    requirements = tuple(git_sources.fetched(lock.requirements(*wanted), wanted[0]) for wanted in _locks(chain))
    distributions = tuple(one for item in chain for one in item.distributions)
    indexes = package_index.merged(one for path, _ in _locks(chain) for one in package_indexes.of(path))
    return Ingredients(requirements, base, distributions, indexes)


def export_locks(chains: Iterable[Sequence[ImageSpec]]) -> None:
    """Export the locks that the last images of `chains` are made from, all at once."""
    from helpers.images import lock  # as above

    lock.export_all(dict.fromkeys(wanted for chain in chains for wanted in _locks(chain)))


def export_beside(image: ImageSpec, export: Callable[[], None]) -> None:
    """Call `export` for the image of a directory; beside the assembly of a base, which needs no lock, start it.

    Arguments:
        image: the image that is built next.
        export: a `host.once`: the next caller waits for its end.
    """

    def quietly() -> None:
        with suppress(Exception):  # the build that needs the lock reports the fault
            export()

    if image.directory:
        export()
    else:
        started(Thread(target=quietly))


def _locks(chain: Sequence[ImageSpec]) -> list[tuple[Path, tuple[str, ...]]]:
    groups = ("main",) if chain[-1].stage is Stage.PROD else ()
    return [(item.directory, groups) for item in chain if item.directory]
