"""Records of bases against a real registry: what is recorded, how it moves, and what is said of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import config
from helpers.errors import ConfigError, UsageError
from helpers.images import bases
from helpers.images.recipe import image_chain
from helpers.model.base_lock import PATH, BaseLock, parse
from helpers.model.stage import Stage
from helpers.registry.repository import Registry
from helpers.test.registry_fixtures import Layout, docker_registry
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]
pytestmark = [pytest.mark.host, pytest.mark.slow]

TODAY = datetime.datetime.now(datetime.timezone.utc).date()
OLD, NEW = TODAY - datetime.timedelta(days=8), TODAY - datetime.timedelta(days=1)
OLD_TAG, NEW_TAG = f"{OLD:%Y.%m.%d}.0", f"{NEW:%Y.%m.%d}.10"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A registry of the test's own."""
    with docker_registry(tmp_path) as address:
        yield address


@pytest.fixture
def root(tmp_path: Path, host: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo with a registry in which `top` stands on `low`."""
    root = make_repo(tmp_path / "r")
    add_dir(root, ".", f'registry = "{host}/t"')
    add_dir(root, "low", image="low")
    add_dir(root, "top", 'base = "dir:../low"', image="top")
    monkeypatch.chdir(root)
    return root


def publish(layout: Layout, repository: str, tag: str) -> str:
    """Put what stands for a base into a registry, and return its digest."""
    registry = Registry(repository)
    digest = layout.index(f"{repository} {tag}", "amd64", "arm64")
    registry.push(layout.path, digest)
    registry.put_once(tag, digest)
    registry.tag(digest, "latest")
    return digest


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty layout."""
    return Layout(tmp_path / "layout")


def lock_of(path: Path) -> BaseLock:
    return parse((path / PATH).read_text(), "base.lock")


def shown(capsys: pytest.CaptureFixture[str], **options: int) -> tuple[int, dict[str, list[str]]]:
    """Return the exit code and the cells of the table, by directory."""
    forget()
    capsys.readouterr()
    code = bases.show("", **options)
    lines = capsys.readouterr().out.splitlines()[1:]
    return code, {line.split()[0]: line.split() for line in lines}


def test_an_update_moves_the_record_to_the_newest_and_says_from_what_to_what(
    root: Path, host: str, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    one = publish(layout, f"{host}/t/low", OLD_TAG)
    assert bases.update("top", dry_run=True) == 0
    assert not (root / "top" / PATH).exists()
    assert bases.update("top", dry_run=False) == 0
    lock = lock_of(root / "top")
    assert (lock.base, lock.name, lock.digest) == ("dir:../low", f"{host}/t/low:{OLD_TAG}", one)
    assert (lock.recorded, lock.platforms) == (TODAY, "linux/amd64,linux/arm64")
    two = publish(layout, f"{host}/t/low", NEW_TAG)
    prod = publish(layout, f"{host}/t/low", f"{NEW_TAG}-prod")
    Registry(f"{host}/t/low").tag(two, "latest")
    capsys.readouterr()
    assert bases.update("", dry_run=False) == 0
    said = capsys.readouterr().err
    assert f"top: recorded {host}/t/low:{OLD_TAG} {one[:19]} -> {host}/t/low:{NEW_TAG} {two[:19]}" in said
    assert (lock_of(root / "top").digest, lock_of(root / "top").prod) == (two, prod)
    assert bases.update("", dry_run=False) == 0
    assert f"top: {host}/t/low:{NEW_TAG} is the newest" in capsys.readouterr().err


def test_only_records_that_exist_or_must_exist_are_moved_by_default(root: Path, host: str, layout: Layout) -> None:
    publish(layout, f"{host}/t/low", OLD_TAG)
    publish(layout, f"{host}/other", OLD_TAG)
    add_dir(root, "else", f'base = "image:{host}/other:{OLD_TAG}"')
    assert bases.update("", dry_run=False) == 0
    assert not (root / "top" / PATH).exists()
    assert lock_of(root / "else").name == f"{host}/other:{OLD_TAG}"


def test_another_repos_released_image_is_built_on_by_its_recorded_digest(root: Path, host: str, layout: Layout) -> None:
    digest = publish(layout, f"{host}/other/services-base", OLD_TAG)
    path = add_dir(root, "x", f'base = "image:{host}/other/services-base:latest"')
    with pytest.raises(ConfigError, match="has no recorded digest"):
        chain_of(root, path)
    assert bases.update("x", dry_run=False) == 0
    assert chain_of(root, path) == [f"{host}/other/services-base:{OLD_TAG}@{digest}"]
    publish(layout, f"{host}/other/services-base", NEW_TAG)
    assert chain_of(root, path) == [f"{host}/other/services-base:{OLD_TAG}@{digest}"]


def chain_of(root: Path, path: Path) -> list[str]:
    """Return what the image of a runnable dir is built on."""
    forget()
    load = config.loader(root)
    return [image.reference for image in image_chain(load(path), load, Stage.DEV)[:-1]]


def test_the_table_says_what_is_behind_how_old_it_is_and_whether_the_source_moved(
    root: Path, host: str, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(layout, f"{host}/t/low", OLD_TAG)
    add_dir(root, "x", f'base = "image:{host}/t/low:latest"')
    bases.update("x", dry_run=False)
    bases.update("top", dry_run=False)
    code, table = shown(capsys)
    assert code == 0
    assert table["."][1:] == ["archive:bookworm", "-", "-", "-", "-", "assembled", "here"]
    assert table["x"][4:] == ["8", "d", OLD_TAG, "newest"]
    assert table["top"][6:] == [OLD_TAG, "newest,", "source", "differs"]
    load = config.loader(root)
    low = image_chain(load(root / "low"), load, platforms=("linux/amd64", "linux/arm64"))[-1]
    lock = lock_of(root / "top")
    (root / "top" / PATH).write_text(str(BaseLock(**{**vars(lock), "inputs": low.inputs})))
    publish(layout, f"{host}/t/low", NEW_TAG)
    code, table = shown(capsys)
    assert table["top"][6:] == [NEW_TAG, "behind"]
    assert table["x"][6:] == [NEW_TAG, "behind"]


def test_what_is_due_is_listed_with_code_1_and_no_registry_is_asked(
    root: Path, host: str, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(layout, f"{host}/t/low", OLD_TAG)
    bases.update("top", dry_run=False)
    lock = (root / "top" / PATH).read_text()
    (root / "top" / PATH).write_text(lock.replace(host, "127.0.0.1:1"))
    code, table = shown(capsys, due=7)
    assert (code, list(table)) == (1, ["top"])
    assert shown(capsys, due=8) == (0, {})
    code, table = shown(capsys)
    assert (code, table["top"][6]) == (0, OLD_TAG), "the settings say where it is published"
    with pytest.raises(UsageError):
        bases.show("", due=-2)


def test_a_registry_that_does_not_answer_is_told_and_the_others_are_listed(
    root: Path, host: str, layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(layout, f"{host}/t/low", OLD_TAG)
    bases.update("top", dry_run=False)
    add_dir(root, "x", 'base = "image:127.0.0.1:1/gone:latest"')
    (root / "x" / PATH).write_text(
        str(BaseLock("image:127.0.0.1:1/gone:latest", "127.0.0.1:1/gone:1", f"sha256:{'1' * 64}", TODAY))
    )
    code, table = shown(capsys)
    assert code == 6
    assert table["x"][6:8] == ["?", "error:"]
    assert table["top"][6] == OLD_TAG


def test_what_can_not_be_recorded_is_said_with_what_mends_it(root: Path, host: str) -> None:
    digest = f"sha256:{'1' * 64}"
    for name, base in (("pinned", f"{host}/a@{digest}"), ("unknown", f"{host}/a:1")):
        add_dir(root, name, f'base = "image:{base}"')
    with pytest.raises(UsageError, match="is in the settings"):
        bases.update("pinned", dry_run=False)
    with pytest.raises(ConfigError, match=f"the registry has no {host}/a:1"):
        bases.update("unknown", dry_run=False)
    with pytest.raises(ConfigError, match=f"the registry has no {host}/t/low:latest") as caught:
        bases.update("top", dry_run=False)
    assert caught.value.fix == "invoke docker_bases --publish"
    (root / "pyproject.toml").write_text("[project]\n")
    forget()
    with pytest.raises(ConfigError, match="built from source"):
        bases.update("top", dry_run=False)


def test_a_spoilt_record_is_written_anew(root: Path, host: str, layout: Layout) -> None:
    digest = publish(layout, f"{host}/t/low", OLD_TAG)
    (root / "top" / PATH).write_text("<<<<<<< HEAD\n")
    assert bases.update("", dry_run=False) == 0
    assert lock_of(root / "top").digest == digest


def test_latest_that_was_moved_back_is_what_is_followed(root: Path, host: str, layout: Layout) -> None:
    one = publish(layout, f"{host}/t/low", OLD_TAG)
    publish(layout, f"{host}/t/low", NEW_TAG)
    Registry(f"{host}/t/low").tag(one, "latest")
    bases.update("top", dry_run=False)
    assert (lock_of(root / "top").tag, lock_of(root / "top").digest) == (OLD_TAG, one)
