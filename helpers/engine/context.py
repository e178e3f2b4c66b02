"""Gathers what a recipe may read: pinned requirements, names of packages, code, the installer, the host's settings."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from helpers import host
from helpers.engine import dockerfile
from helpers.engine.archive import apt_sources, assembled_archive
from helpers.engine.seam import BuildContext, Control, Ingredients
from helpers.engine.specs import (
    CODE_RECIPE,
    PROJECT_PROGRAMS,
    PROJECT_RECIPE,
    PROJECTS_RECIPE,
    SCRIPTS,
    Copied,
    Distribution,
    ImageSpec,
)
from helpers.engine.tools import tools
from helpers.errors import ConfigError
from helpers.model.image import LABEL_BASE_DIGEST, LABEL_TITLE
from helpers.model.package_index import PackageIndex
from helpers.storage import cache_dir, scratch

# Where BuildKit shows the secret `ca` to a recipe (https://docs.docker.com/build/building/secrets/).
_CA_INSIDE = "/run/secrets/ca"
# The directory of the cache with archives of git dependencies, and where a recipe sees the archives of its lock.
SOURCES = "git-sources"
_SOURCES_INSIDE = "/run/context/sources"
# Backends that take a version from git take it from these: there is no git in a build.
_VERSION_VARIABLES = (
    *("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION", "POETRY_DYNAMIC_VERSIONING_BYPASS"),
    *("PBR_VERSION", "VCS_VERSIONING_PRETEND_VERSION"),
)
# The first day of 1980, before which a ZIP file has no times (https://reproducible-builds.org/specs/source-date-epoch/).
_EPOCH = "315532800"


@contextmanager
def build_context(image: ImageSpec, ingredients: Ingredients) -> Iterator[BuildContext]:
    """Yield the build context of `image`; it is gone afterwards.

    Raises:
        ConfigError: the directory's own recipe has no stage `prod`, or names a frontend other than Docker's.
    """
    assert image.dockerfile
    own = image.directory and image.dockerfile.is_relative_to(image.directory)
    recipe = dockerfile.read(image.dockerfile) if own else image.dockerfile.read_text(encoding="utf-8")
    recipe += "".join(_project_stages(image))
    staged = _has_stage(recipe, image.target)
    if image.target == "prod" and not staged:
        raise ConfigError(
            "has no stage `prod`",
            where=image.dockerfile,
            fix="add `FROM ... AS prod` (see docs/how-to/dependencies.md)",
        )
    with scratch() as aside:
        directory = aside / "context"
        directory.mkdir()
        pinned = "".join(path.read_text() for path in ingredients.requirements[-1:])
        (directory / "requirements.txt").write_text(_with_sources(pinned, directory / "sources"))
        names = "".join(f"{item}\n" for item in image.system_packages)
        (directory / "system-packages.txt").write_text(image.system_lock or names)
        for script in SCRIPTS:
            shutil.copyfile(script, directory / script.name)
        _copy(image.code, directory / "code")
        for number, distribution in enumerate(image.distributions):
            _add_project(distribution, directory / "projects" / str(number))
        file = aside / "Dockerfile"
        tail = f"\nENTRYPOINT {json.dumps(image.entrypoint)}\n" if image.entrypoint else ""
        file.write_text(recipe + tail, encoding="utf-8")
        arguments = {
            "BASE": ingredients.base,
            "BASE_DIGEST": image.labels.get(LABEL_BASE_DIGEST, ""),
            "REQUIRES_PYTHON": image.requires_python,
            "NAME": image.labels.get(LABEL_TITLE, ""),
            **_project_arguments(image.distributions),
        }
        secrets = host_secrets(aside, image.suite, ingredients.indexes)
        target = image.target if staged else ""
        yield BuildContext(directory, file, target, arguments, secrets, tools(image.platforms))


@contextmanager
def archive_context(image: ImageSpec, log: Path, control: Control) -> Iterator[BuildContext]:
    """Yield the build context of an archive base; its root file systems are assembled first.

    Raises:
        BuildError: the archive does not give it.
        InfrastructureError: the tool that assembles it is missing.
    """
    with assembled_archive(image, log, control) as directory, scratch() as aside:
        secrets = host_secrets(aside, image.suite)
        yield BuildContext(directory, directory / "Dockerfile", image.target, {}, secrets)


def _with_sources(requirements: str, directory: Path) -> str:
    """Copy the archives of git dependencies that requirements name, and return the requirements for a build."""
    directory.mkdir()
    kept = (cache_dir() / SOURCES).as_uri()
    for found in re.findall(rf"{re.escape(kept)}/([\w.-]+/[\w.-]+\.tar\.gz)", requirements):
        shutil.copyfile(cache_dir() / SOURCES / found, directory / found.partition("/")[2])
    return re.sub(rf"{re.escape(kept)}/[\w.-]+/", f"file://{_SOURCES_INSIDE}/", requirements)


def _has_stage(recipe: str, name: str) -> bool:
    lines = (line.upper().split() for line in recipe.splitlines())
    return any(words[:1] == ["FROM"] and words[-2:] == ["AS", name.upper()] for words in lines)


def _project_stages(image: ImageSpec) -> Iterator[str]:
    """Yield the stages that build and install the wheels of an image, wheel on wheel."""
    last = len(image.distributions) - 1
    for number in range(last + 1):
        before = f"project-{{}}-{number - 1}" if number else "packages"
        stages = PROJECT_RECIPE.read_text(encoding="utf-8").replace("@DEV", before.format("dev"))
        yield stages.replace("@PROD", before.format("prod")).replace("@N", str(number))
    if image.distributions:
        yield PROJECTS_RECIPE.read_text(encoding="utf-8").replace("@N", str(last))
        yield "" if image.is_project else CODE_RECIPE.read_text(encoding="utf-8")


def _project_arguments(distributions: Sequence[Distribution]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, one in enumerate(distributions):
        found |= {f"PROJECT_NAME_{number}": one.name, f"INSTALLED_{number}": one.installed}
    return found


def _add_project(distribution: Distribution, directory: Path) -> None:
    """Add the source of a project, and the programs that build and install its wheel."""
    directory.mkdir(parents=True)
    (directory / "build-packages.txt").write_text("".join(f"{name}\n" for name in distribution.build_packages))
    copy_project(distribution, directory)


def copy_project(distribution: Distribution, directory: Path) -> None:
    """Write the inputs of the build of a wheel: the source, the order for the backend and our programs.

    Arguments:
        distribution: of a project.
        directory: is there; the source goes to `project` in it.
    """
    for program in PROJECT_PROGRAMS:
        shutil.copyfile(program, directory / program.name)
    about = {
        "backend": distribution.build.backend,
        "backend_path": distribution.build.backend_path,
        "requires": distribution.build.requires,
        "variables": {**dict.fromkeys(_VERSION_VARIABLES, distribution.version), "SOURCE_DATE_EPOCH": _EPOCH},
    }
    (directory / "project.json").write_text(json.dumps(about))
    _copy(distribution.files, directory / "project")


def _copy(files: Iterable[Copied], directory: Path) -> None:
    """Copy files of the checkout, with modes that do not tell whose umask it was made under."""
    directory.mkdir()
    for item in files:
        target = directory / item.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.source, target)
        target.chmod(0o755 if os.access(item.source, os.X_OK) else 0o644)
    for parent, _, _ in os.walk(directory):
        os.chmod(parent, 0o755)


def host_secrets(directory: Path, suite: str, indexes: Sequence[PackageIndex] = ()) -> dict[str, Path]:
    """Write the settings of the host that a build may read, and return the files by the id of their secret.

    Arguments:
        directory: where the files go; nobody else may read them.
        suite: suite of the distribution whose archive is asked, if that is known.
        indexes: of the locks, besides those of the machine.
    """
    settings = host.settings()
    inside = _CA_INSIDE if settings.ca else None
    files = {
        "host_env": settings.beside(indexes).shell_file(inside),
        "machine_env": settings.shell_file(inside),
        "backend_env": settings.backend_shell_file(inside),
        "apt_sources": apt_sources(suite),
    }
    secrets = {}
    for name, text in files.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text)
        secrets[name] = path
    return secrets | ({"ca": settings.ca} if settings.ca else {})
