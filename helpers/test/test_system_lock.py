"""The lock of the distribution's packages: its format, and what apt resolves from an archive made for the test."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers import config
from helpers.errors import ConfigError, InfrastructureError
from helpers.images import system_lock
from helpers.images.recipe import image_chain
from helpers.model import archive
from helpers.model.runnable import RunnableDir
from helpers.model.system_lock import NAME, SystemLock, drift, moves, parse, preferences
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]

LOCK = SystemLock(
    "archive:bookworm", ("app", "g++"), {"amd64": ("app=1:2.0-1+b1", "g++=4~rc1"), "arm64": ("app=1:2.0-1",)}
)


def test_a_lock_is_read_as_it_was_written() -> None:
    text = LOCK.text()
    assert parse(text) == LOCK
    assert text.splitlines()[1:] == [
        *("# base: archive:bookworm", "# packages: app g++", ""),
        *("[amd64]", "app=1:2.0-1+b1", "g++=4~rc1", ""),
        *("[arm64]", "app=1:2.0-1"),
    ]


@pytest.mark.parametrize(
    "old, new, why",
    [
        ("app=1:2.0-1+b1", "app", "line 6 is no `name=version`"),
        ("app=1:2.0-1+b1", "app=$(id)", "line 6 is no `name=version`"),
        ("[amd64]\n", "", "line 5 is no `name=version` in a section"),
        ("# base: archive:bookworm\n", "", "does not say for which base"),
        ("# packages: app g++\n", "", "does not say for which base"),
    ],
)
def test_what_is_no_lock_is_named(old: str, new: str, why: str) -> None:
    assert old in LOCK.text()
    with pytest.raises(ValueError, match=why):
        parse(LOCK.text().replace(old, new))


@pytest.mark.parametrize(
    "base, wanted, why",
    [
        ("archive:bookworm", ("g++", "app"), ""),
        ("archive:trixie", ("g++", "app"), "made for the base archive:bookworm"),
        ("archive:bookworm", ("g++", "app", "new"), "does not have new"),
        ("archive:bookworm", ("g++",), "has app, which"),
    ],
)
def test_a_lock_that_is_not_that_of_the_settings_is_told(base: str, wanted: Sequence[str], why: str) -> None:
    found = drift(LOCK, base, wanted)
    assert why in found and bool(found) == bool(why)


def test_what_moved_is_told_by_architecture() -> None:
    after = SystemLock(LOCK.base, LOCK.wanted, {"amd64": ("app=1:2.1", "lib=1"), "arm64": ("app=1:2.0-1",)})
    assert list(moves(LOCK, after)) == [
        "app (amd64)  1:2.0-1+b1 -> 1:2.1",
        "g++ (amd64)  4~rc1 -> (gone)",
        "lib (amd64)  (new) -> 1",
    ]
    assert list(moves(None, after))[-1] == "app (arm64)  (new) -> 1:2.0-1"
    assert preferences(["a=1:2", "b=3"]).count("Pin: version ") == 2


# What apt resolves. Its archive is a directory with nothing but an index: a simulated install fetches no package.


class Archive:
    """A package archive in a directory: `base` is in every image, `app` needs `lib`, and `tool` needs nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[str] = []
        path.mkdir()
        for name, needs in (("base", ""), ("app", "lib"), ("lib", ""), ("tool", "base")):
            self.add(name, "1.0", needs)

    def add(self, name: str, version: str, needs: str = "", only: str = "all") -> None:
        """Put a version of a package into it."""
        sha = hashlib.sha256(b"").hexdigest()
        depends = f"Depends: {needs}\n" if needs else ""
        self.entries.append(
            f"Package: {name}\nVersion: {version}\nArchitecture: {only}\nMaintainer: t\n{depends}"
            f"Filename: ./{name}_{version}.deb\nSize: 1\nSHA256: {sha}\nDescription: t\n"
        )
        (self.path / "Packages").write_text("\n".join(self.entries))

    def remove(self, name: str, version: str) -> None:
        """Take a version away, as an archive does when a newer one is there."""
        self.entries = [text for text in self.entries if f"Package: {name}\nVersion: {version}\n" not in text]
        (self.path / "Packages").write_text("\n".join(self.entries))

    @property
    def sources(self) -> str:
        return f"deb [trusted=yes] file:{self.path} ./\n"


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    if not shutil.which("apt-get"):
        pytest.skip("this machine has no apt-get")
    found = Archive(tmp_path / "archive")
    monkeypatch.setattr(system_lock, "apt_sources", lambda suite: found.sources)
    monkeypatch.setattr(archive, "CONTENT", ("base",))
    return found


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    root = make_repo(tmp_path / "r")
    add_dir(root, "one", 'system_packages = ["app"]')
    return root


def run(root: Path, name: str = "one", *, upgrade: bool = False) -> list[str]:
    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    forget()
    return system_lock.lock(load(root / name), load, upgrade=upgrade)


def settings(path: Path, old: str, new: str) -> None:
    file = path / "pyproject.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


@pytest.mark.slow
def test_a_lock_has_what_the_install_adds_for_both_architectures(root: Path, distribution: Archive) -> None:
    assert len(run(root)) == 4
    lock = parse((root / "one" / NAME).read_text())
    assert lock.pins == {"amd64": ("app=1.0", "lib=1.0"), "arm64": ("app=1.0", "lib=1.0")}
    first = (root / "one" / NAME).read_bytes()
    (root / "one" / NAME).unlink()
    run(root)
    assert (root / "one" / NAME).read_bytes() == first


@pytest.mark.slow
def test_nothing_moves_that_need_not_and_an_upgrade_moves_all(root: Path, distribution: Archive) -> None:
    run(root)
    for name, needs in (("app", "lib"), ("lib", ""), ("tool", "")):
        distribution.add(name, "1.1", needs)
    assert run(root) == []
    settings(root / "one", '["app"]', '["app", "tool"]')
    assert run(root) == ["tool (amd64)  (new) -> 1.1", "tool (arm64)  (new) -> 1.1"]
    assert run(root, upgrade=True)[:2] == ["app (amd64)  1.0 -> 1.1", "lib (amd64)  1.0 -> 1.1"]
    settings(root / "one", '["app", "tool"]', '["tool"]')
    assert "app (amd64)  1.1 -> (gone)" in run(root)
    settings(root / "one", '["tool"]', "[]")
    assert run(root) == [] and not (root / "one" / NAME).exists()


@pytest.mark.slow
def test_a_version_that_the_archive_has_no_more_moves_when_something_else_must(
    root: Path, distribution: Archive
) -> None:
    run(root)
    distribution.remove("lib", "1.0")
    distribution.add("lib", "1.2")
    settings(root / "one", '["app"]', '["app", "tool"]')
    assert "lib (amd64)  1.0 -> 1.2" in run(root)


@pytest.mark.slow
def test_what_an_image_below_has_is_not_locked_again(root: Path, distribution: Archive) -> None:
    add_dir(root, "top", 'base = "dir:../one"\nsystem_packages = ["app", "tool"]')
    run(root)
    for name, needs in (("app", "lib"), ("lib", "")):
        distribution.add(name, "1.1", needs)
    run(root, "top")
    assert parse((root / "top" / NAME).read_text()).pins["amd64"] == ("tool=1.0",)


@pytest.mark.slow
def test_a_package_for_one_architecture_only_leaves_the_other_out(root: Path, distribution: Archive) -> None:
    import os

    own, other = ("amd64", "arm64") if os.uname().machine == "x86_64" else ("arm64", "amd64")
    distribution.add("special", "1.0", only=own)
    settings(root / "one", '["app"]', '["special"]')
    run(root)
    assert parse((root / "one" / NAME).read_text()).pins == {own: ("special=1.0",)}
    distribution.remove("special", "1.0")
    distribution.add("special", "1.0", only=other)
    with pytest.raises(ConfigError, match="special"):
        run(root, upgrade=True)


@pytest.mark.slow
def test_a_name_that_the_archive_does_not_have_leaves_the_lock_as_it_is(root: Path, distribution: Archive) -> None:
    run(root)
    before = (root / "one" / NAME).read_bytes()
    settings(root / "one", '["app"]', '["app", "nobody"]')
    with pytest.raises(ConfigError, match="Unable to locate package nobody"):
        run(root)
    assert (root / "one" / NAME).read_bytes() == before


@pytest.mark.slow
def test_an_archive_that_does_not_answer_is_a_fault_that_does_not_name_it(
    root: Path, distribution: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_lock, "apt_sources", lambda suite: "deb [trusted=yes] http://127.0.0.1:9/x ./\n")
    with pytest.raises(InfrastructureError, match="gave no answer") as caught:
        run(root)
    assert "127.0.0.1" not in str(caught.value)


def test_without_apt_a_first_lock_is_left_out_and_a_stale_one_is_a_fault(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert run(root) == [] and not (root / "one" / NAME).exists()
    assert "is not made" in capsys.readouterr().err
    (root / "one" / NAME).write_text(LOCK.text())
    with pytest.raises(InfrastructureError, match="an archive base needs apt-get"):
        run(root)
    assert (root / "one" / NAME).read_text() == LOCK.text()


def test_a_build_with_a_lock_of_other_packages_is_refused(root: Path) -> None:
    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    (root / "one" / NAME).write_text(LOCK.text())
    with pytest.raises(ConfigError, match=r"has g\+\+, which the settings") as caught:
        image_chain(load(root / "one"), load)
    assert caught.value.where == f"{root / 'one' / NAME}:1"
    assert "docker_lock" in (caught.value.fix or "")
