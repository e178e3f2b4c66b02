"""The command `docker_pull`: gets the released image that the code of a runnable dir needs."""

from __future__ import annotations

from helpers import config, discover
from helpers.console import say
from helpers.engine import client
from helpers.engine.choose import choose
from helpers.engine.seam import Control
from helpers.engine.supervise import obey_signals
from helpers.errors import OK, HelpersError, InfrastructureError, PolicyError, UsageError
from helpers.images import released
from helpers.model.image import short_reference
from helpers.model.runnable import RunnableDir
from helpers.model.stage import RELEASE_STAGES, Stage, parse_stage
from helpers.model.version import Version
from helpers.registry.repository import Registry
from helpers.storage import cache_dir, use


def pull(directory: str | None, *, stage: str, version: str) -> int:
    """Pull the newest image of a stage that the code may run in, or one version of it, and return the exit code.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        stage: `dev` or `prod`.
        version: exactly this one; empty is the newest that fits.

    Raises:
        UsageError: the stage or the version is none.
        ConfigError: no registry is set.
        PolicyError: the registry has no such image, or its labels contradict its tag.
        InfrastructureError: the registry or the engine did not do its part.
    """
    kind = parse_stage(stage, RELEASE_STAGES)
    wanted = _version(version)
    root, path = discover.nearest(directory)
    runnable = config.load(root, path, ())
    control = Control()
    registry = Registry(runnable.repository, control)
    choose("docker")
    obey_signals(control)
    try:
        return _pull(runnable, registry, kind, wanted, control)
    except HelpersError:
        if control.level:
            return control.exit_code
        raise


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"--version: {error}") from None


def _pull(runnable: RunnableDir, registry: Registry, stage: Stage, wanted: Version | None, control: Control) -> int:
    version = _choose(runnable, released.versions(registry.tags(), stage), stage, wanted)
    tag = stage.version_tag(version)
    digest = registry.resolve(tag)
    if digest is None:
        raise InfrastructureError(f"the registry lists the tag {tag} and does not have it", where=runnable.repository)
    reference, exact = f"{runnable.repository}:{tag}", f"{runnable.repository}@{digest}"
    # Before anything is loaded; by digest, so that this is what is pulled.
    labels = registry.image(digest).labels
    # It is the registry's own tag that is wrong: to pull it again would bring the same.
    another = f"{released.pull_command(runnable)} --stage {stage.value} --version X.Y.Z"
    fix = f"somebody overwrote it in the registry: release a new version, or take another one: {another}"
    released.check_labels(runnable, reference, version, labels, fix=fix)
    use("images", reference)
    there = client.find_image(reference)
    if not there or short_reference(exact) not in there.digests:
        say(f"pulling {reference}")
        client.pull(exact, cache_dir() / "builds" / f"pull-{digest.partition(':')[2][:16]}.log", control)
    client.tag(exact, reference)
    print(f"{reference}  {digest}")
    if not runnable.version.runs_in(version):
        say(f"code at {runnable.version} does not run in it: it needs an image {runnable.version.images}")
    return OK


def _choose(runnable: RunnableDir, there: list[Version], stage: Stage, wanted: Version | None) -> Version:
    version = runnable.version.newest_image(there) if wanted is None else wanted
    if version is None or version not in there:
        needs = wanted or runnable.version.images
        raise PolicyError(
            f"the registry has no {stage.value}-{needs} of {runnable.changelog.name}, for code at {runnable.version}",
            where=runnable.repository,
            why=f"it has {', '.join(map(str, there)) or 'none'}",
            fix=f"{released.build_command(runnable)}  (an image of this checkout's files)",
        )
    return version
