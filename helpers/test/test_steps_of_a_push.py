"""A push reads layers, loads the image and tries it, each for seconds: a line tells of the step meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.images import artifact, layers, trial
from helpers.test.unit_fixtures import cache
from helpers.thin_env import slow_steps

__all__ = ["cache"]


class Stop(Exception):
    """Ends a step at the place where it would wait."""


def waits(*_: object, **__: object) -> None:
    raise Stop(" and ".join(step.doing for step in slow_steps.running))


def read(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(layers, "_run_reader", waits)
    layers.read(tmp_path, {"sha256:1": 1, "sha256:2": 2})


def load(tmp_path: Path, _: pytest.MonkeyPatch) -> None:
    (tmp_path / "layout").mkdir()
    image: Any = SimpleNamespace(reference="team/app:1.0.0")
    engine: Any = SimpleNamespace(find=lambda _: {}, load=waits)
    artifact.load(engine, artifact.Artifact(image, image, tmp_path / "layout", "sha256:1"), "x")


def attempt(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trial, "_container", lambda *_: None)
    tried: Any = SimpleNamespace(
        runnable=SimpleNamespace(name="app"), image=SimpleNamespace(platforms=("linux/arm64",)), digest="sha256:1"
    )
    engine: Any = SimpleNamespace(run=waits)
    control: Any = None
    trial.all_platforms(engine, tried, control)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (read, "reading 2 layers"),
        (load, "loading team/app:1.0.0 into the engine"),
        (attempt, "trying app on linux/arm64"),
    ],
)
def test_slow_step_of_a_push_is_shown_while_it_waits(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[..., None], says: str
) -> None:
    with pytest.raises(Stop, match=f"^{says}$"):
        step(tmp_path, monkeypatch)
    assert not slow_steps.running
