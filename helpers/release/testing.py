"""Runs the tests of a runnable dir in the very image that will be released."""

from __future__ import annotations

import csv
import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from helpers import config, pyproject, pytest_settings
from helpers.console import say
from helpers.containers import rights
from helpers.driver.events import Event
from helpers.driver.plan import DirPlan, Plan, image_step
from helpers.driver.run import Options, Run, new_run_id
from helpers.driver.verdict import Status, Verdict
from helpers.engine.seam import Control, Ingredients
from helpers.engine.specs import Mount, RunSpec
from helpers.errors import TestsFailedError
from helpers.images import artifact as artifacts
from helpers.images import git_sources, layout, lock, lock_source, package_indexes, recipe
from helpers.images.artifact import Artifact, LayoutEngine
from helpers.images.layers import contents
from helpers.images.recipe import SHARED_DOCKERFILE
from helpers.model.graph import Step
from helpers.model.image import digest_tag
from helpers.model.poetry_lock import normal_name
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.storage import cache_dir, digest, locked, run_directory, use, write_once


def is_tested(digest: str) -> bool:
    """Say whether the tests passed in the image `digest` on this machine."""
    return _record(digest).exists()


def reference_of(runnable: RunnableDir, digest: str) -> str:
    """Return what an image of `runnable` that was not released yet is called in the engine."""
    return digest_tag(runnable.repository, digest)


def test(engine: LayoutEngine, made: Artifact, runnable: RunnableDir, control: Control) -> None:
    """Run all tests of `runnable` in the image `made`, which the engine is given first.

    Raises:
        TestsFailedError: they did not pass, or there are none.
        PolicyError: they need a right that the policy does not grant.
    """
    reference = reference_of(runnable, made.digest)
    artifacts.load(engine, made, reference)
    image = replace(made.image, reference=reference, parent=None)
    granted = rights.check(runnable, runnable.name, rights.policy_of(None, runnable.root))
    item = DirPlan(runnable.name, runnable, (image,), needs=tuple(rights.needs(runnable)), rights=granted)
    step = Step(image_step(image.key), ())
    plan = Plan("all", (item,), {image.key: image}, (step, Step(item.step, (step.key,))))
    run_id = new_run_id()
    options = Options(run_id, run_directory(run_id), jobs=1)
    if made.image.stage is Stage.PROD:
        options.adapt = _in_prod(made, runnable, _test_packages(engine, made, control))
    (verdict,) = Run(plan, engine, options, control, _tell).execute()
    if verdict.status is not Status.PASS:
        raise _failed(verdict, runnable, options.directory)
    write_once(_record(made.digest), "passed\n")


def _record(digest: str) -> Path:
    return cache_dir() / "tested" / digest.removeprefix("sha256:")


def _tell(event: Event) -> None:
    if event.kind == "testing":
        say(f"testing {event.name}")
    elif event.verdict:
        counts = ", ".join(f"{count} {name}" for name, count in event.verdict.counts.items())
        say(f"{event.verdict.status.value} {event.name} {counts}")


def _failed(verdict: Verdict, runnable: RunnableDir, logs: Path) -> TestsFailedError:
    what = f"its tests did not pass in the image: {verdict.status.value} {verdict.told}".rstrip()
    command = f"main_pytest.py --tier all --only-this --dir {shlex.quote(str(runnable.path))}"
    fix = f"{command}  (what they printed is in {logs})"
    return TestsFailedError(what, verdict.code, where=runnable.path, fix=fix)


def _in_prod(made: Artifact, runnable: RunnableDir, packages: Path) -> Callable[[RunSpec], RunSpec]:
    """Return what changes a container for tests into one whose code is that of the image, and not of the checkout."""
    image = next(iter(layout.images(made.layout, made.digest).values()))
    own = dict(item.split("=", 1) for item in layout.config(made.layout, image)["config"].get("Env", []))
    sites = sorted(str(path) for path in packages.glob("python3*/site-packages"))
    names = [*runnable.settings.tests, *pytest_settings.FILES, "conftest.py"]
    seen = tuple(Mount(runnable.path / name) for name in names if (runnable.path / name).exists())
    held = {runnable.path, *(one.path for one in recipe.siblings_in_prod(runnable))}
    # Siblings that only tests need are not in the image.
    left = [one for one in runnable.siblings if one.path not in held and not one.is_used]
    beside = [str(path) for one in left for path in one.python_path]

    def adapt(spec: RunSpec) -> RunSpec:
        mounts = (*seen, *(mount for mount in spec.mounts if mount.path not in held), Mount(packages))

        def is_seen(path: Path) -> bool:
            return any(path.is_relative_to(mount.path) for mount in mounts)

        return replace(
            spec,
            mounts=mounts,
            hidden=tuple(filter(is_seen, spec.hidden)),
            programs={name: file for name, file in spec.programs.items() if is_seen(Path(name))},
            env={**spec.env, "PYTHONPATH": ":".join([own.get("PYTHONPATH", ""), *sites, *beside])},
        )

    return adapt


def _groups(path: Path) -> tuple[str, ...]:
    """Return the groups that tests need; without one of tests the verdict says that there is no pytest.

    Empty is what the settings choose.
    """
    settings = config.settings_of(path)
    if settings.groups or settings.extras or lock_source.of(path).is_derived:
        return ()
    project = pyproject.read_if_there(path)
    named = {**project.get("dependency-groups", {}), **project.get("tool", {}).get("poetry", {}).get("group", {})}
    return ("main", "test") if "test" in named else ("main",)


def _held(made: Artifact) -> set[str]:
    """Return the names of the Python distributions that an image holds."""
    (first, *_) = contents(made.layout, made.digest)
    return {normal_name(found.name) for layer in first.layers for found in layer.distributions}


def _leave_out(packages: Path, names: set[str]) -> None:
    """Remove distributions from a directory: what the image has is tested from the image, not from beside it.

    Each one lists its files: https://packaging.python.org/en/latest/specifications/recording-installed-packages/.
    """
    for record in packages.glob("python3*/site-packages/*.dist-info/RECORD"):
        if normal_name(record.parent.name.split("-")[0]) in names:
            site = record.parents[1]
            for name, *_ in csv.reader(record.read_text(encoding="utf-8").splitlines()):
                path = site / name
                if path.resolve().is_relative_to(site):
                    path.unlink(missing_ok=True)
                    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                        compiled.unlink()
            shutil.rmtree(record.parent, ignore_errors=True)
    # A directory without code that stays behind would hide the package in the image.
    for parent, _, _ in sorted(os.walk(packages), reverse=True):
        if not os.listdir(parent):
            os.rmdir(parent)


def _test_packages(engine: LayoutEngine, made: Artifact, control: Control) -> Path:
    """Return a directory with the packages of the group `test`, for this machine's platform."""
    assert made.image.directory
    directory = made.image.directory
    wanted = git_sources.fetched(lock.requirements(directory, _groups(directory)), directory)
    kept = cache_dir() / "test-packages" / digest(wanted.read_text(), made.image.inputs)[:32]
    use("test-packages", kept.name)
    plain = replace(
        made.image,
        stage=Stage.LOCAL,
        dockerfile=SHARED_DOCKERFILE,
        code=(),
        entrypoint=(),
        platforms=(),
        distributions=(),
    )

    def make(aside: Path) -> None:
        indexes = package_indexes.of(directory)
        ingredients = Ingredients((wanted,), made.below.reference, indexes=indexes)
        engine.build_directory(plain, ingredients, "python-packages", aside, control)
        _leave_out(aside, _held(made))

    with locked(f"test-packages-{kept.name}.lock", stop=lambda: bool(control.level)):
        if not kept.exists():
            artifacts.put_aside(kept, make)
    return kept
