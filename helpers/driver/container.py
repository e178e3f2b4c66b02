"""Says how the tests of one runnable dir are run: the container, what it sees, and the order for pytest inside it."""

from __future__ import annotations

import glob
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helpers import inside, pytest_settings
from helpers.containers.environment import (
    base_environment,
    container_labels,
    device_groups,
    file_values,
    image_says,
    services_file,
    terminal_environment,
)
from helpers.dirs import soundness
from helpers.driver import measuring
from helpers.engine.specs import Mount, RunSpec
from helpers.errors import NothingSelectedError, UsageError
from helpers.host import User
from helpers.model.image import LABEL_ROOT
from helpers.model.runnable import RunnableDir
from helpers.repo import git_dirs

# These tests import helpers, and no container of tests has helpers.
SHIMS = ("tasks.py", "main_pytest.py")
INSIDE = Path(inside.__file__).parent
# It needs neither variables nor packages, and starts in half the time when it does not look for them.
_RUNNER = ("python", "-I", "-S", str(INSIDE / "runner.py"))
# Options by which pytest prints or plans something and runs no test. Where they are hidden (`addopts`, letters in one
# word as in -vh) our plugin tells of them.
RUN_NO_TEST = (
    *("--collect-only", "--collectonly", "--co", "--setup-only", "--setuponly", "--setup-plan", "--setupplan"),
    *("--fixtures", "--funcargs", "--fixtures-per-test", "--markers", "--cache-show", "--help", "-h", "--version"),
    *("-V", "-VV"),
)


def test_container(
    runnable: RunnableDir,
    *,
    name: str,
    image: str,
    labels: Mapping[str, str],
    user: User,
    results: Path,
    nonce: str,
    tier: str,
    arguments: Sequence[str],
    coverage: bool = False,
    rights: Sequence[str] = (),
) -> RunSpec:
    """Return the container that runs the tests of `runnable`.

    Arguments:
        runnable: the directory.
        name: unique name of the container.
        image: id of the image.
        labels: what the image says of itself.
        user: whose files it makes.
        results: directory for the verdict and the other files that the runner hands out.
        nonce: the secret in the verdict; only the runner in the container gets the secret, on its standard input.
        tier: which tests.
        arguments: pytest's own, from the command line.
        coverage: whether the lines that run are noted.
        rights: the rights granted by the policy.

    Raises:
        ConfigError: a path in the settings is missing or leads out of the repo.
        NothingSelectedError: there is no test to run.
    """
    settings = runnable.settings
    return RunSpec(
        name=name,
        image=image,
        argv=_command(results, tier, pytest_arguments(runnable, results, arguments, coverage=coverage)),
        cwd=runnable.path,
        user=user,
        mounts=_mounts(runnable),
        hidden=_hidden(runnable),
        env=base_environment(runnable, user),
        inherit=settings.inherited,
        values=settings.values,
        file_values=file_values(runnable.path, runnable.root, settings),
        network=settings.network,
        memory=settings.memory,
        pids=settings.pids,
        options=settings.options,
        groups=device_groups(settings.devices),
        read_only=True,
        labels=container_labels(runnable),
        image_says=image_says(labels),
        services=services_file(runnable),
        services_may=tuple(rights),
        docker=settings.docker,
        nonce=nonce,
        results=results,
    )


def _command(results: Path, tier: str, to_pytest: Sequence[str]) -> tuple[str, ...]:
    order = json.dumps({"results": str(results), "tier": tier, "arguments": to_pytest})
    return (*_RUNNER, "--results", str(results), "python", str(INSIDE / "run_pytest.py"), order)


def on_terminal(spec: RunSpec) -> RunSpec:
    """Return the container of tests with the caller's terminal, and without the runner that hands out results."""
    return replace(spec, argv=spec.argv[-3:], env={**spec.env, **terminal_environment()}, terminal=True)


def without_git(spec: RunSpec) -> RunSpec:
    """Return the container of tests without the data of git in its mounted directories.

    A CI checkout may leave its token there. A path that the settings name is seen.

    Arguments:
        spec: the container; its directories are looked through.
    """
    root = Path(spec.labels.get(LABEL_ROOT, spec.cwd))
    named = [mount.path for mount in spec.mounts if git_dirs.is_within(mount.path, root)]
    seen = [mount.path for mount in spec.mounts if mount.path not in named]
    found = {path for one in seen for path in git_dirs.found_below(one, spec.hidden)} - {*named, *spec.hidden}
    directories = sorted(path for path in found if path.is_dir())
    files = {str(path): Path(os.devnull) for path in sorted(found) if not path.is_dir()}
    return replace(spec, hidden=(*spec.hidden, *directories), programs={**spec.programs, **files})


def pytest_arguments(
    runnable: RunnableDir, results: Path, arguments: Sequence[str], *, coverage: bool = False
) -> list[str]:
    """Return pytest's arguments for `runnable`; pytest itself knows whether the user's name other tests than all."""
    tests = [path for path in runnable.settings.tests if (runnable.path / path).exists()]
    for path in tests:
        soundness.contained(runnable, path, "tests")
    if not arguments and not tests:
        raise NothingSelectedError(
            f"no tests: {', '.join(runnable.settings.tests)} does not exist",
            where=runnable.path,
            fix=f"make test/test_*.py, or name the place in {runnable.spelled('tests')}",
        )
    return [
        *_configuration(runnable.path),
        # pytest expands variables here; the checkout itself is read-only.
        *("-o", "cache_dir=$TMPDIR/pytest-cache"),
        # pytest takes each for a pattern.
        *("-o", f"testpaths={shlex.join(map(glob.escape, tests))}"),
        *_ignored(runnable, tests),
        f"--junitxml={results / 'junit.xml'}",
        # With file and line of each test, and with what those printed that failed.
        *("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false"),
        *(measuring.arguments(runnable.path, results) if coverage else ()),
        *arguments,
    ]


def check_runs_tests(arguments: Sequence[str]) -> None:
    """Refuse pytest's options by which it would run no test.

    Arguments:
        arguments: pytest's own, from the command line.

    Raises:
        UsageError: one of them is such an option.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    found = [option for option in options if option.partition("=")[0] in RUN_NO_TEST]
    if found:
        raise UsageError(
            f"with {found[0]} pytest runs no test",
            why="a run in which no test ran is never green",
            fix="main_pytest.py --list  (what would be run), or in the runnable dir: "
            f"invoke docker_cmd -- pytest {found[0]}",
        )


def _configuration(path: Path) -> list[str]:
    """Return the option that keeps pytest from taking settings of a directory further up, which no container sees."""
    file = pytest_settings.file_of(path)
    if file == "pyproject.toml" or (not file and os.path.lexists(path / "pyproject.toml")):
        return ["-c", str(path / "pyproject.toml")]
    return [f"--rootdir={path}", *([] if file else ["-c", os.devnull])]


def _mounts(runnable: RunnableDir) -> tuple[Mount, ...]:
    read = [runnable.path, INSIDE, *(_inside_repo(runnable, path) for path in runnable.uses)]
    written = [_inside_dir(runnable, path) for path in runnable.settings.writable]
    # A path has a single mount; of two, the writable mount counts.
    found = {**{path: Mount(path) for path in read}, **{path: Mount(path, read_only=False) for path in written}}
    return tuple(found.values())


def _ignored(runnable: RunnableDir, tests: Sequence[str]) -> list[str]:
    """Return the options that keep pytest out of other runnable dirs, and out of our shims, in a place with tests."""
    places = tuple(f"{os.path.normpath(runnable.path / name)}/" for name in tests)
    ours = [runnable.path / name for name in SHIMS] if runnable.path == runnable.root else []
    return [f"--ignore={path}" for path in map(str, (*runnable.nested, *ours)) if path.startswith(places)]


def _hidden(runnable: RunnableDir) -> tuple[Path, ...]:
    used = [_inside_repo(runnable, name) for name in runnable.uses]
    inside = set(runnable.nested)
    nested = [path for path in runnable.nested if path not in used and inside.isdisjoint(path.parents)]
    git = runnable.path / ".git"
    return (*nested, git) if git.is_dir() else tuple(nested)


def _inside_repo(runnable: RunnableDir, name: str) -> Path:
    return soundness.contained(runnable, name, "uses")


def _inside_dir(runnable: RunnableDir, name: str) -> Path:
    return soundness.contained(runnable, name, "writable")
