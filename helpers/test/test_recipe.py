from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import config
from helpers.engine.specs import ImageSpec
from helpers.errors import ConfigError
from helpers.images import recipe
from helpers.images.recipe import by_key, image_chain
from helpers.model import system_lock
from helpers.model.base_lock import PATH, BaseLock
from helpers.model.python_specifier import lowest_minor
from helpers.model.runnable import RunnableDir
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]


def chain_of(root: Path, name: str) -> list[ImageSpec]:
    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    forget()
    return image_chain(load(root / name), load)


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """A repo in which `top` stands on `low`."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "low", 'system_packages = ["gcc"]', image="low")
    add_dir(root, "top", 'base = "dir:../low"', image="top")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_chain_is_the_bases_first_and_each_knows_its_parent(root: Path) -> None:
    chain = chain_of(root, "top")
    assert [(image.key, image.parent) for image in chain] == [
        ("archive:bookworm", None),
        ("low", "archive:bookworm"),
        ("top", "low"),
    ]
    assert [image.reference.partition(":")[0] for image in chain] == ["helpers-archive", "low", "top"]
    assert [image.directory for image in chain] == [None, root / "low", root / "top"]
    assert {image.suite for image in chain} == {"bookworm"}
    assert all(image.inputs[:16] in image.reference for image in chain)


def record(path: Path, lock: BaseLock) -> None:
    (path / PATH).write_text(str(lock))


ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")
DAY = datetime.date(2026, 11, 21)


def test_a_base_that_is_pulled_is_built_on_by_its_recorded_digest(root: Path) -> None:
    path = add_dir(root, "x", 'base = "image:python:3.12-slim-bookworm"')
    record(path, BaseLock("image:python:3.12-slim-bookworm", "python:3.12-slim-bookworm", ONE, DAY))
    bottom, own = chain_of(root, "x")
    assert (bottom.reference, bottom.dockerfile) == (f"python:3.12-slim-bookworm@{ONE}", None)
    assert own.parent == bottom.key
    assert own.labels["org.opencontainers.image.base.name"] == "python:3.12-slim-bookworm"
    record(path, BaseLock("image:python:3.12-slim-bookworm", "python:3.12-slim-bookworm", TWO, DAY))
    assert chain_of(root, "x")[-1].inputs != own.inputs
    assert chain_of(root, "x")[0].key != bottom.key


def test_a_base_by_tag_without_a_recorded_digest_is_an_error_with_the_command_that_records_it(root: Path) -> None:
    path = add_dir(root, "x", 'base = "image:python:3.12-slim-bookworm"')
    with pytest.raises(ConfigError, match="has no recorded digest") as caught:
        chain_of(root, "x")
    assert caught.value.where == str(path / "pyproject.toml")
    assert caught.value.fix == f"invoke docker_bases --update --dir {path}"


def test_a_base_whose_digest_is_in_the_settings_needs_no_record(root: Path) -> None:
    add_dir(root, "x", f'base = "image:host:5000/python@{ONE}"')
    assert chain_of(root, "x")[0].reference == f"host:5000/python@{ONE}"


def test_the_record_of_another_base_than_the_settings_name_is_an_error(root: Path) -> None:
    record(root / "top", BaseLock("dir:../other", "host:5000/other:2026.11.21.0", ONE, DAY))
    with pytest.raises(ConfigError, match=r"records the base 'dir:\.\./other'.* is 'dir:\.\./low'") as caught:
        chain_of(root, "top")
    assert caught.value.where == str(root / "top" / PATH)


def test_the_recorded_base_is_taken_whatever_the_source_of_it_says_today(root: Path) -> None:
    record(root / "top", BaseLock("dir:../low", "host:5000/low:2026.11.21.0", ONE, DAY, TWO, "ab" * 32, "bookworm"))
    before = chain_of(root, "top")
    assert [image.key for image in before] == ["host:5000/low:2026.11.21.0@sha256:111111111111", "top"]
    assert before[0].reference == f"host:5000/low:2026.11.21.0@{ONE}"
    assert {image.suite for image in before} == {"bookworm"}
    edit(root / "low" / "pyproject.toml", "gcc", "g++")
    assert chain_of(root, "top") == before
    shutil.rmtree(root / "low")
    assert chain_of(root, "top") == before


def test_an_archive_base_that_is_recorded_is_pulled(root: Path) -> None:
    record(root / "low", BaseLock("archive:bookworm", "host:5000/archive:2026.11.21.0", ONE, DAY, suite="bookworm"))
    assert [image.reference.partition(":inputs-")[0] for image in chain_of(root, "top")] == [
        f"host:5000/archive:2026.11.21.0@{ONE}",
        "low",
        "top",
    ]


def test_two_directories_may_record_different_digests_of_one_base(root: Path) -> None:
    for name, digest in (("x", ONE), ("y", TWO)):
        path = add_dir(root, name, 'base = "image:python:3.12"')
        record(path, BaseLock("image:python:3.12", "python:3.12", digest, DAY))
    assert len(by_key({name: chain_of(root, name) for name in ("x", "y")})) == 4


def test_an_image_is_labelled_with_what_it_is(root: Path) -> None:
    add_dir(root, ".", 'registry = "host:5000/t"')
    own = chain_of(root, "low")[-1]
    assert own.reference.startswith("host:5000/t/low:inputs-")
    assert own.labels == {
        "org.opencontainers.image.title": "low",
        "org.opencontainers.image.version": "0.1.0",
        "org.opencontainers.image.base.name": "archive:bookworm",
        "helpers.dir": "low",
        "helpers.suite": "bookworm",
        "helpers.inputs": own.inputs,
    }


def own_dockerfile(root: Path) -> None:
    (root / "top" / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")


def shared_dockerfile(root: Path) -> Path:
    changed = root / "Dockerfile"
    changed.write_text(recipe.SHARED_DOCKERFILE.read_text() + "# changed\n")
    return changed


# What an image is made of: each edit must give another image.
COVERED: dict[str, Callable[[Path], object]] = {
    "a recipe of its own": own_dockerfile,
    "the lock": lambda root: (root / "top/poetry.lock").write_text("# another lock\n"),
    "a dependency": lambda root: edit(
        root / "top/pyproject.toml", "[tool.poetry]", 'dependencies = ["a"]\n[tool.poetry]'
    ),
    "a group": lambda root: edit(
        root / "top/pyproject.toml", "[tool.poetry]", '[dependency-groups]\nx = ["a"]\n[tool.poetry]'
    ),
    "poetry's table": lambda root: edit(root / "top/pyproject.toml", "package-mode = false", "package-mode = true"),
    "the wanted Python": lambda root: edit(root / "top/pyproject.toml", ">=3.11", ">=3.12"),
    "the base": lambda root: edit(root / "top/pyproject.toml", "dir:../low", "archive:bookworm"),
    "the version": lambda root: edit(root / "top/changelog.txt", "0.1.0", "0.1.1"),
    "the image's name": lambda root: edit(root / "top/changelog.txt", "# top", "# other"),
    "a system package": lambda root: edit(root / "top/pyproject.toml", "base =", 'system_packages = ["gcc"]\nbase ='),
    "the lock of the base's system packages": lambda root: (root / "low" / system_lock.NAME).write_text(
        system_lock.SystemLock("archive:bookworm", ("gcc",), {"amd64": ("gcc=1",)}).text()
    ),
    "the base's lock": lambda root: (root / "low/poetry.lock").write_text("# another lock\n"),
    "the base's system packages": lambda root: edit(root / "low/pyproject.toml", "gcc", "g++"),
    "the base's base": lambda root: edit(
        root / "low/pyproject.toml", "gcc", 'gcc"]\nbase = "archive:trixie"\nuses = ["x'
    ),
}
# What is mounted or only decides how a container runs: no edit may cost a build.
NOT_COVERED: dict[str, Callable[[Path], object]] = {
    "a test": lambda root: (root / "top/test/test_it.py").write_text("def test_it(): assert 0\n"),
    "code": lambda root: (root / "top/code.py").write_text("x = 1\n"),
    "a README": lambda root: (root / "top/README.md").write_text("# read\n"),
    "another file in devops": lambda root: (root / "top/devops/notes.txt").write_text("x"),
    "the notes of a release": lambda root: edit(root / "top/changelog.txt", "- first", "- first, in better words"),
    "an older release": lambda root: edit(
        root / "top/changelog.txt", "- first", "- first\n# top-0.0.1\n- 2025-01-01\n- x"
    ),
    "limits of a run": lambda root: edit(root / "top/pyproject.toml", "base =", 'memory = "4g"\ntimeout = 5\nbase ='),
    "another tool's settings": lambda root: edit(
        root / "top/pyproject.toml", "[tool.poetry]", "[tool.ruff]\nx = 1\n[tool.poetry]"
    ),
    "another directory": lambda root: add_dir(root, "other", image="other"),
}


@pytest.mark.parametrize("what", COVERED)
def test_another_image_is_needed_after_an_edit_of(what: str, root: Path) -> None:
    before = chain_of(root, "top")[-1]
    COVERED[what](root)
    after = chain_of(root, "top")[-1]
    assert after.inputs != before.inputs and after.reference != before.reference


@pytest.mark.parametrize("what", NOT_COVERED)
def test_the_same_image_serves_after_an_edit_of(what: str, root: Path) -> None:
    before = chain_of(root, "top")
    NOT_COVERED[what](root)
    assert chain_of(root, "top") == before


def test_the_shared_recipe_is_an_input_of_every_directory_without_its_own(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [image.inputs for image in chain_of(root, "top")]
    monkeypatch.setattr(recipe, "SHARED_DOCKERFILE", shared_dockerfile(root))
    after = [image.inputs for image in chain_of(root, "top")]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False]


def test_an_image_is_the_same_wherever_the_checkout_lies(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "a b" / "copy")
    assert chain_of(tmp_path / "a b" / "copy", "top")[-1].inputs == chain_of(root, "top")[-1].inputs


def test_directories_that_are_alike_have_images_of_their_own(root: Path) -> None:
    for name in ("x", "y"):
        add_dir(root, name)
    assert chain_of(root, "x")[-1].inputs != chain_of(root, "y")[-1].inputs


@pytest.mark.parametrize(
    "bases, circle",
    [
        ({"low": "dir:../low"}, ["low"]),
        ({"low": "dir:../top"}, ["low", "top"]),
        ({"low": "dir:../mid", "mid": "dir:../low"}, ["low", "mid"]),
    ],
)
def test_bases_in_a_circle_are_an_error_that_names_it(root: Path, bases: dict[str, str], circle: list[str]) -> None:
    add_dir(root, "mid", 'base = "archive:bookworm"')
    for name, base in bases.items():
        (root / name / "pyproject.toml").write_text(f'[tool.helpers]\nbase = "{base}"\n')
    with pytest.raises(ConfigError, match="built on each other in a circle: ") as caught:
        chain_of(root, "top")
    named = caught.value.what.split("circle: ")[1].split(" -> ")
    assert sorted(set(named)) == circle and named[0] == named[-1]


@pytest.mark.parametrize("base", ["dir:../../outside", "dir:/etc", "dir:link"])
def test_a_base_outside_the_repo_is_refused(root: Path, base: str) -> None:
    outside = add_dir(make_repo(root.parent / "outside"), ".")
    (root / "top" / "link").symlink_to(outside)
    edit(root / "top" / "pyproject.toml", "dir:../low", base)
    with pytest.raises(ConfigError, match="leads out of the repo") as caught:
        chain_of(root, "top")
    assert caught.value.where == str(root / "top" / "pyproject.toml")


def test_a_base_that_is_not_sound_is_an_error_of_the_one_that_names_it(root: Path) -> None:
    (root / "low" / "changelog.txt").unlink()
    with pytest.raises(ConfigError, match=r"base 'dir:\.\./low' is not a sound runnable dir") as caught:
        chain_of(root, "top")
    assert caught.value.where == str(root / "top" / "pyproject.toml")


def test_a_missing_lock_is_named_with_the_command_that_writes_it(root: Path) -> None:
    (root / "top" / "poetry.lock").unlink()
    with pytest.raises(ConfigError, match=r"has no poetry\.lock") as caught:
        chain_of(root, "top")
    assert caught.value.fix and "docker_lock" in caught.value.fix


@pytest.mark.parametrize(
    "text, minor",
    [
        (">=3.11,<3.12", "3.11"),
        ("==3.9.*", "3.9"),
        ("~=3.10", "3.10"),
        ("<4,>= 3.13", "3.13"),
        ("", "3.11"),
        ("<3.12", "3.11"),
    ],
)
def test_the_lock_is_made_for_the_lowest_python_that_is_allowed(text: str, minor: str) -> None:
    assert lowest_minor(text) == minor


@pytest.mark.parametrize(
    ("base", "says", "fix"),
    [
        ("dir:../bse", "base 'dir:../bse' does not exist", 'write base = "dir:../base"'),
        ("dir:../../base", "base 'dir:../../base' does not exist", 'write base = "dir:../base"'),
        ("dir:../zzz", "base 'dir:../zzz' does not exist", "invoke dir_list  (names all runnable dirs)"),
        ("dir:../plain", "base 'dir:../plain' is not a runnable dir", "invoke dir_list  (names all runnable dirs)"),
    ],
)
def test_a_base_that_does_not_exist_has_one_fix_with_the_name_that_was_meant(
    tmp_path: Path, base: str, says: str, fix: str
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "group/base")
    path = add_dir(root, "group/top", f'base = "{base}"')
    (root / "group" / "plain").mkdir()
    load = config.loader(root)
    with pytest.raises(ConfigError) as raised:
        image_chain(load(path), load)
    assert (raised.value.what, raised.value.fix, str(raised.value).count("fix:")) == (says, fix, 1)


def test_a_base_with_a_fault_of_its_own_is_reported_with_the_fix_of_that_fault(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "r")
    below = add_dir(root, "base")
    path = add_dir(root, "top", 'base = "dir:../base"')
    (below / "pyproject.toml").unlink()
    load = config.loader(root)
    with pytest.raises(ConfigError) as raised:
        image_chain(load(path), load)
    assert "is not a sound runnable dir: " in raised.value.what and str(below) in raised.value.what
    assert str(raised.value).count("fix:") == 1


def test_shared_recipe_mounts_no_cache() -> None:
    assert "type=cache" not in recipe.SHARED_DOCKERFILE.read_text().partition("\nARG BASE\n")[2]
