"""Finds the released image of a runnable dir that its code may run in, among those that the engine has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from helpers.engine import client
from helpers.engine.specs import ImageSpec
from helpers.errors import PolicyError
from helpers.model.image import LABEL_TITLE, LABEL_VERSION, Base, BaseKind
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.model.version import Version
from helpers.storage import use


def wanted(runnable: RunnableDir) -> list[ImageSpec]:
    """Return the image that `runnable` asks for; no engine was asked yet, so its tag names no patch release."""
    return [_spec(runnable, f"{runnable.repository}:{Stage.DEV.value}-{runnable.version.images}", {})]


def find(runnable: RunnableDir) -> list[ImageSpec]:
    """Return the newest released image that the engine has and the code of `runnable` may run in.

    Raises:
        PolicyError: there is none, or it says of itself that it is another one.
        InfrastructureError: no engine answers.
    """
    version = choose(runnable, versions(client.tags(runnable.repository), Stage.DEV))
    reference = f"{runnable.repository}:{Stage.DEV.version_tag(version)}"
    use("images", reference)
    image = client.find_image(reference)
    labels = image.labels if image else {}
    check_labels(runnable, reference, version, labels)
    return [_spec(runnable, reference, labels)]


def versions(tags: Iterable[str], stage: Stage) -> list[Version]:
    """Return the versions that `tags` name in `stage`, newest first."""
    return sorted((version for tag in tags if (version := stage.version_of(tag))), reverse=True)


def choose(runnable: RunnableDir, there: Iterable[Version]) -> Version:
    """Return the newest version of `there` that the code of `runnable` may run in.

    Raises:
        PolicyError: there is none.
    """
    there = list(there)
    version = runnable.version.newest_image(there)
    if version is None:
        has = ", ".join(map(str, there)) or "none"
        raise PolicyError(
            f"code at {runnable.version} needs a released image {runnable.changelog.name}-{runnable.version.images}, "
            f"and the engine has {has}",
            where=runnable.path / "changelog.txt",
            fix=f"{pull_command(runnable)}  (or, where it is not released: {build_command(runnable)} "
            "and leave out --stage dev)",
        )
    return version


def check_labels(
    runnable: RunnableDir, reference: str, version: Version, labels: Mapping[str, str], *, fix: str = ""
) -> None:
    """Refuse an image whose labels do not say what its tag says.

    Arguments:
        runnable: what its code is to run in it.
        reference: of the image.
        version: that its tag says.
        labels: of the image.
        fix: what mends it; empty where the engine's own tag is what can be wrong.

    Raises:
        PolicyError: name or version in its labels is another one, or is not there.
    """
    tagged = f"{runnable.changelog.name}-{version}"
    says = f"{labels.get(LABEL_TITLE) or '(no name)'}-{labels.get(LABEL_VERSION) or '(no version)'}"
    if says != tagged:
        raise PolicyError(
            f"{reference} is by its labels {says}, and code at {runnable.version} needs "
            f"{runnable.changelog.name}-{runnable.version.images}",
            where=runnable.path,
            why="an image whose tag and labels contradict each other is not run",
            fix=fix or f"docker image rm {reference} && {pull_command(runnable)}",
        )


def pull_command(runnable: RunnableDir) -> str:
    """Return the command that gets the released image of `runnable`, from wherever it is given."""
    return f"invoke docker_pull --dir {shlex.quote(str(runnable.path))}"


def build_command(runnable: RunnableDir) -> str:
    """Return the command that builds the image of `runnable`, from wherever it is given."""
    return f"invoke docker_build --dir {shlex.quote(str(runnable.path))}"


def _spec(runnable: RunnableDir, reference: str, labels: Mapping[str, str]) -> ImageSpec:
    base = Base(BaseKind.IMAGE, reference)
    return ImageSpec(key=runnable.name, reference=reference, inputs="", base=base, stage=Stage.DEV, labels=labels)
