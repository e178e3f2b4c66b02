"""Images and containers as data: what an engine is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers import inside
from helpers.host import User
from helpers.model.container_options import ContainerOptions
from helpers.model.image import Base
from helpers.model.stage import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.model.manifest import BuildSystem

# What a recipe may run: they install what its context names, and check what came out.
SCRIPTS = tuple(Path(__file__).parent / "recipe" / f"install-{what}-packages.sh" for what in ("python", "system"))
# The stages behind a recipe: for each project, for all projects, for the code of a directory that is no project.
# And the programs that these stages run.
PROJECT_RECIPE, PROJECTS_RECIPE, CODE_RECIPE = (
    Path(__file__).parent / "recipe" / f"{name}.Dockerfile" for name in ("project", "projects", "code")
)
PROJECT_PROGRAMS = tuple(
    Path(inside.__file__).with_name(f"{name}.py") for name in ("build_wheel", "install_project", "helpers_projects")
)
# Says what an install of the distribution's packages would add to a base.
RESOLVER = Path(__file__).parent / "recipe" / "resolve-system-packages.sh"


@dataclass(frozen=True)
class Mount:
    """A path of the host that a container sees at the same absolute path.

    Arguments:
        path: the path.
        read_only: whether the container may only read it.
    """

    path: Path
    read_only: bool = True


@dataclass(frozen=True)
class Copied:
    """A file of the checkout that an image holds.

    Arguments:
        source: where it lies.
        name: where it stands below the directory, with forward slashes.
    """

    source: Path
    name: str


@dataclass(frozen=True)
class Distribution:
    """The distribution of a project, and how an image gets the distribution.

    Arguments:
        name: unique in an image; a container finds the checkout of the project by this name.
        place: absolute path of the project.
        installed: `editable`, `compiled` or `wheel`.
        build: the backend and its requirements.
        version: for backends that would ask git.
        build_packages: packages of the Linux distribution, needed while the wheel is built.
        files: the source, as the backend sees it.
        inputs: hash of all that shapes the installed files.
    """

    name: str
    place: Path
    installed: str
    build: BuildSystem
    version: str
    build_packages: tuple[str, ...]
    files: tuple[Copied, ...] = field(repr=False)
    inputs: str


@dataclass(frozen=True)
class ImageSpec:
    """An image: what it is called, what it is made from.

    Arguments:
        key: its step in the plan: the name of a runnable dir, or the base as written.
        reference: `repository:tag` that finds it; the tag holds the hash of its inputs.
        tags: other references that it is given when it is built.
        base: what it is built on, as written; None for an image that is pulled or assembled.
        parent: key of the image that it is built on.
        inputs: hash of all that goes into it.
        directory: the runnable dir that it belongs to.
        labels: labels that it is given when it is built.
        requires_python: PEP 440 specifier that its Python must meet.
        system_packages: packages of the distribution that it holds.
        system_lock: the versions of those and of what they need, for each architecture; empty is what the archive has.
        suite: suite of the distribution at the bottom of its bases, if that is an `archive:`.
        dockerfile: the recipe; None for an image that is pulled or assembled.
        stage: `prod` holds the code and what it needs to run; all others also what a person and tests need.
        platforms: what it is built for, as in `linux/arm64`; empty is what the engine runs on.
        code: files of the checkout that it holds.
        entrypoint: what a container of it starts; empty leaves that to the recipe.
        distributions: of its directory's siblings, and of its directory as the last; none with a recipe of its own.
    """

    key: str
    reference: str
    inputs: str
    base: Base
    parent: str | None = None
    tags: tuple[str, ...] = ()
    directory: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    requires_python: str = ""
    system_packages: tuple[str, ...] = ()
    system_lock: str = ""
    suite: str = ""
    dockerfile: Path | None = None
    stage: Stage = Stage.LOCAL
    platforms: tuple[str, ...] = ()
    code: tuple[Copied, ...] = ()
    entrypoint: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()

    @property
    def is_project(self) -> bool:
        """Whether its directory has a distribution."""
        return any(one.place == self.directory for one in self.distributions)

    @property
    def target(self) -> str:
        """The stage of the recipe that gives it (https://docs.docker.com/build/building/multi-stage/)."""
        stage = "prod" if self.stage is Stage.PROD else "dev"
        if not self.distributions:
            return stage
        # The code of a directory that is no project is copied into its image of prod.
        return f"project-{stage}" if self.is_project or stage == "dev" else "code-prod"


@dataclass(frozen=True)
class RunSpec:
    """A container to run.

    Arguments:
        name: its unique name.
        image: id of the image, as the engine gave it.
        argv: the command; never read by a shell.
        cwd: its working directory.
        user: whose files it makes.
        mounts: what it sees of the host.
        programs: files of the host that it sees as other paths, and may only read.
        hidden: directories inside the mounts that it must not see the content of.
        env: its environment, besides what the image sets.
        values: fixed values of further variables, as its directory sets them.
        file_values: values of the file of variables that its directory names; on no command line.
        inherit: names of our own variables that it is given; their values are on no command line.
        network: `none` or `bridge`; the name of a network when services stand beside it.
        memory: limit, as in `2g`.
        pids: how many processes it may have.
        options: what its directory changes of it.
        read_only: whether its root file system is read-only.
        image_says: variables by which it knows what its image is; an engine without images gives it none of them.
        services: a compose file, whose services stand beside it on a network that it shares with them alone.
        services_may: rights of the policy that the services have.
        docker: how it may start containers: `sibling`, `child`, or empty for not at all.
        socket: where this machine's engine listens, for a `sibling`; set by the engine.
        groups: further groups of its processes, by number.
        platform: which image of several, as in `linux/arm64`; empty is the engine's own.
        results: directory for files that the runner hands out; None if the command is no test run. A container sees
            memory at this path, so tests cannot write to this machine.
        nonce: the first line on the runner's standard input; empty if the command is no test run.
        publish: pairs of a port on the host's loopback address and the container's port that it leads to.
        terminal: whether it gets the caller's terminal.
        labels: what the reaper knows it by.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    cwd: Path
    user: User
    mounts: tuple[Mount, ...]
    env: Mapping[str, str]
    network: str
    memory: str
    pids: int
    read_only: bool
    labels: Mapping[str, str]
    options: ContainerOptions = field(default_factory=ContainerOptions)
    programs: Mapping[str, Path] = field(default_factory=dict)
    hidden: tuple[Path, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    file_values: Mapping[str, str] = field(default_factory=dict)
    inherit: tuple[str, ...] = ()
    image_says: Mapping[str, str] = field(default_factory=dict)
    publish: tuple[tuple[int, int], ...] = ()
    terminal: bool = False
    services: Path | None = None
    services_may: tuple[str, ...] = ()
    docker: str = ""
    socket: Path | None = None
    groups: tuple[int, ...] = ()
    platform: str = ""
    nonce: str = field(default="", repr=False)
    results: Path | None = None
