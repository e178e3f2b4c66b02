from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers import config
from helpers.engine.seam import Control
from helpers.engine.specs import ImageSpec
from helpers.errors import BuildError, HelpersError
from helpers.images import build
from helpers.images.parallel import Images, Room, follow
from helpers.images.recipe import image_chain
from helpers.model.runnable import RunnableDir
from helpers.test.fake_engine import FakeEngine, as_engine
from helpers.test.unit_fixtures import add_dir, cache, make_repo, no_poetry
from helpers.thin_env import slow_steps

__all__ = ["cache", "no_poetry"]

BASE = "archive:bookworm"
SECONDS = 20.0


@pytest.fixture
def chains(tmp_path: Path, no_poetry: Path) -> list[list[ImageSpec]]:
    """The images of `one`, `two`, and `three`, which stands on `two`; all share one base."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "one")
    add_dir(root, "two")
    add_dir(root, "three", 'base = "dir:../two"')

    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    return [image_chain(load(root / name), load) for name in ("one", "two", "three")]


class Shown:
    """Keeps what is shown of builds."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def __call__(self, key: str, doing: str) -> Iterator[None]:
        self.lines.append(doing)
        try:
            yield
        finally:
            self.lines.append(f"over {key}")


def engine_of(chains: list[list[ImageSpec]], kind: type[FakeEngine] = FakeEngine, **told: Any) -> FakeEngine:
    return kind({image.key: image for chain in chains for image in chain}, **told)


def get_all(chains: list[list[ImageSpec]], engine: FakeEngine, tmp_path: Path, show: Shown | None = None) -> Images:
    images = Images(as_engine(engine), chains, tmp_path, Control(), show or Shown())
    follow(images.graph, images.get, jobs=4)
    return images


def test_an_image_that_several_share_is_made_once_and_first(chains: list[list[ImageSpec]], tmp_path: Path) -> None:
    engine = engine_of(chains, builds=dict.fromkeys((BASE, "one", "two", "three")))
    images = get_all(chains, engine, tmp_path)
    assert engine.calls[:2] == ["find 4", f"build {BASE}"]
    assert sorted(engine.calls[2:]) == ["build one", "build three", "build two"]
    assert images.digests == {key: f"id {key}" for key in (BASE, "one", "two", "three")}
    assert not images.faults


def test_notice_of_a_first_run_counts_images_and_estimates_minutes(
    chains: list[list[ImageSpec]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    Images(as_engine(engine_of(chains)), chains, tmp_path, Control(), Shown())
    assert capsys.readouterr().err == "helpers: to make: 1 base and 3 images, about 2 min; later runs find them\n"
    slow_steps._remember("building one", 200.0)
    Images(as_engine(engine_of(chains, has=(BASE,))), chains, tmp_path, Control(), Shown())
    assert capsys.readouterr().err == "helpers: to make: 3 images, about 3 min; later runs find them\n"
    Images(as_engine(engine_of(chains, has=(BASE, "one", "two", "three"))), chains, tmp_path, Control(), Shown())
    assert capsys.readouterr().err == ""
    engine = engine_of(chains)
    engine.isolates = False
    Images(as_engine(engine), chains, tmp_path, Control(), Shown())
    assert "3 environments" in capsys.readouterr().err


def test_what_is_there_is_not_made_and_not_shown(chains: list[list[ImageSpec]], tmp_path: Path) -> None:
    show = Shown()
    engine = engine_of(chains, has=(BASE, "one", "two"), builds={"three": None})
    assert get_all(chains, engine, tmp_path, show).digests["one"] == "id one"
    assert show.lines == ["building three", "over three"]


def test_a_fault_is_that_of_all_above_it_and_of_no_other(chains: list[list[ImageSpec]], tmp_path: Path) -> None:
    show, fault = Shown(), BuildError("no compiler")
    images = get_all(chains, engine_of(chains, builds={BASE: None, "one": None, "two": fault}), tmp_path, show)
    assert set(images.digests) == {BASE, "one"}
    assert images.faults == {"two": fault, "three": fault}
    assert "over two" in show.lines and "building three" not in show.lines


def test_an_error_that_nobody_foresaw_is_a_fault_too(chains: list[list[ImageSpec]], tmp_path: Path) -> None:
    broken: dict[str, Exception | None] = {BASE: None, "one": KeyError("x"), "two": OSError(28, "No space left")}
    images = get_all(chains, engine_of(chains, builds=broken), tmp_path)
    codes = {key: fault.exit_code for key, fault in images.faults.items() if isinstance(fault, HelpersError)}
    assert codes == {"one": 70, "two": 6, "three": 6}


def test_images_that_do_not_need_each_other_are_made_at_the_same_time(
    chains: list[list[ImageSpec]], tmp_path: Path
) -> None:
    both = threading.Barrier(2, timeout=SECONDS)

    class Meets(FakeEngine):
        def provide(self, image: ImageSpec, *rest: Any) -> str:
            if image.key in ("one", "two"):
                both.wait()
            return super().provide(image, *rest)

    images = get_all(chains, engine_of(chains, Meets, builds=dict.fromkeys((BASE, "one", "two", "three"))), tmp_path)
    assert not images.faults


def test_locks_are_exported_while_the_base_is_assembled(
    chains: list[list[ImageSpec]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[int] = []
    begun = threading.Event()

    def export(chains: Iterable[object]) -> None:
        exported.append(len(list(chains)))
        begun.set()

    class Slow(FakeEngine):
        def provide(self, image: ImageSpec, *rest: Any) -> str:
            assert begun.wait(SECONDS), f"no export while {image.key} is made"
            return super().provide(image, *rest)

    monkeypatch.setattr(build, "export_locks", export)
    images = get_all(chains, engine_of(chains, Slow, builds=dict.fromkeys((BASE, "one", "two", "three"))), tmp_path)
    assert not images.faults and exported == [4]


def test_fault_of_an_export_beside_the_base_is_that_of_the_directories(
    chains: list[list[ImageSpec]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(chains: object) -> None:
        raise BuildError("no poetry")

    monkeypatch.setattr(build, "export_locks", export)
    images = get_all(chains, engine_of(chains, builds={BASE: None}), tmp_path)
    assert set(images.digests) == {BASE} and set(images.faults) == {"one", "two", "three"}


def test_a_step_waits_for_all_that_it_needs() -> None:
    done: list[str] = []
    follow({"c": ("a", "b"), "a": (), "b": ("a",), "d": ("c",)}, done.append, jobs=4)
    assert done == ["a", "b", "c", "d"]


def test_steps_that_need_more_memory_than_there_is_wait_and_lighter_ones_go_on() -> None:
    most, begun = together({"a": 6, "b": 6, "c": 3, "d": 3}, whole=9)
    assert most == 9
    assert begun[:2] == ["a", "c"]  # `b` is before `c`, and has no room beside `a`


def test_one_step_alone_may_need_more_than_there_is() -> None:
    assert together({"a": 20, "b": 20, "c": 1}, whole=9)[0] == 20


def together(needs: dict[str, int], whole: int) -> tuple[int, list[str]]:
    """Return the most that steps needed at a time, and in which order they were begun."""
    used, begun, lock, pause = [0], list[str](), threading.Lock(), threading.Event()

    def do(key: str) -> None:
        with lock:
            begun.append(key)
            used.append(used[-1] + needs[key])
        pause.wait(0.05)
        with lock:
            used.append(used[-1] - needs[key])

    follow(dict.fromkeys(needs, ()), do, 4, room=Room(whole, needs))
    assert sorted(begun) == sorted(needs)
    return max(used), begun


def test_an_exception_ends_all_when_what_runs_has_ended() -> None:
    done: list[str] = []

    def do(key: str) -> None:
        if key == "bad":
            raise KeyError(key)
        threading.Event().wait(0.1)
        done.append(key)

    with pytest.raises(KeyError, match="bad"):
        follow({"slow": (), "bad": (), "never": ("bad",)}, do, 2)
    assert done == ["slow"]
