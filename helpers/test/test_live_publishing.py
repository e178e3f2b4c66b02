"""Bases are published to a real registry from a live engine: numbers, records, rebuilds of old commits, other repos."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers import config
from helpers.engine.choose import docker_engine
from helpers.engine.seam import Control
from helpers.errors import PolicyError
from helpers.images import artifact, newest
from helpers.images.artifact import Artifact, Source
from helpers.images.layers import contents
from helpers.images.recipe import image_chain
from helpers.model.base_lock import PATH, BaseLock, parse
from helpers.model.stage import Stage
from helpers.registry.repository import Registry
from helpers.release.job import Job
from helpers.release.publishing import Base, Publishing
from helpers.test.conftest import Scratch, docker, scratch_repo
from helpers.test.registry_fixtures import docker_registry
from helpers.test.unit_fixtures import add_dir, cache, git, make_repo

__all__ = ["cache"]

pytestmark = pytest.mark.engine

DAY = f"{datetime.datetime.now(datetime.timezone.utc):%Y.%m.%d}"
PASSES = "def test_it():\n    assert True\n"


class Layers:
    """A scratch repo with a registry, in which `top` stands on `low`, and both have code."""

    def __init__(self, repo: Scratch, host: str) -> None:
        self.repo = repo
        self.host = host
        (repo.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{host}/team"\n')
        for name, base in (("low", ""), ("top", "dir:../low")):
            add(repo, name, base)
        self.low = (repo.root / "low" / "pyproject.toml").read_text()
        self.name = f"{host}/team/{repo.prefix}-low"
        self.registry = Registry(self.name)
        self.commit("first")

    def commit(self, message: str) -> str:
        """Commit everything and return the commit."""
        self.repo.git("add", "--all")
        self.repo.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.repo.git("rev-parse", "HEAD").strip()

    def change_low(self, text: str) -> None:
        """Change what the image of `low` is made of, and commit it."""
        (self.repo.root / "low" / "pyproject.toml").write_text(
            self.low.replace("[project]\n", f'[project]\nkeywords = ["{text}"]\n', 1)
        )
        self.commit(text)

    def publish(self, code: int = 0) -> str:
        """Publish `low` and return its date tag, or what it says."""
        done = self.repo.invoke("docker_bases", "--publish", "--dir", "low")
        assert done.returncode == code, done.stderr
        return done.stdout.split()[0].rpartition(":")[2] if not code else done.stderr

    def build(self, name: str = "top", stage: str = "local") -> dict[str, Any]:
        """Build the image of a directory and return what the engine knows of it."""
        done = self.repo.invoke("docker_build", "--dir", name, "--stage", stage)
        assert done.returncode == 0, done.stderr
        return inspect(done.stdout.split()[0])

    def remove_images(self) -> None:
        """Remove all that the engine has of this registry."""
        listing = ("image", "ls", "--no-trunc", "--format", "{{.ID}}", "--filter", f"reference={self.host}/*/*")
        if images := docker(*listing).split():
            docker("image", "rm", "--force", *dict.fromkeys(images))

    def lock(self) -> BaseLock:
        return parse((self.repo.root / "top" / PATH).read_text(), "base.lock")

    def update(self) -> None:
        done = self.repo.invoke("docker_bases", "--update", "--dir", "top")
        assert done.returncode == 0, done.stderr


def add(repo: Scratch, name: str, base: str) -> Path:
    path = repo.add(name, PASSES, image=name)
    (path / f"{name}_code").mkdir()
    (path / f"{name}_code" / "__init__.py").write_text("")
    project = path / "pyproject.toml"
    project.write_text(project.read_text().replace("archive:bookworm", base) if base else project.read_text())
    return path


def inspect(reference: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", reference))
    return dict(found)


def base_of(image: dict[str, Any]) -> tuple[str, str]:
    labels = image["Config"]["Labels"]
    return labels["org.opencontainers.image.base.name"], labels["org.opencontainers.image.base.digest"]


def is_on(image: dict[str, Any], base: dict[str, Any]) -> bool:
    """Say whether the layers of `base` are the lowest ones of `image`."""
    below = base["RootFS"]["Layers"]
    return bool(image["RootFS"]["Layers"][: len(below)] == below)


@pytest.fixture
def layers(tmp_path: Path) -> Iterator[Layers]:
    """Two layers and a registry of the test's own."""
    with docker_registry(tmp_path) as host, scratch_repo(tmp_path / "repo") as repo:
        made = Layers(repo, host)
        yield made
        made.remove_images()


def test_numbers_go_up_in_a_day_and_latest_is_the_last_also_after_one_was_deleted(layers: Layers) -> None:
    assert layers.publish() == f"{DAY}.0"
    layers.commit("of something else")
    assert layers.publish() == f"{DAY}.0", "what is published already gets no second number"
    layers.change_low("one")
    assert layers.publish() == f"{DAY}.1"
    tags = layers.registry.tags()
    assert tags == [f"{DAY}.0", f"{DAY}.0-prod", f"{DAY}.1", f"{DAY}.1-prod", "latest"]
    assert layers.registry.resolve("latest") == layers.registry.resolve(f"{DAY}.1")
    assert layers.registry.resolve(f"{DAY}.1") != layers.registry.resolve(f"{DAY}.1-prod")
    for tag in (f"{DAY}.1", f"{DAY}.1-prod"):
        layers.registry.http.request("DELETE", f"manifests/{layers.registry.resolve(tag)}")
    assert f"{DAY}.1" not in layers.registry.tags()
    layers.change_low("two")
    assert layers.publish() == f"{DAY}.2", "the engine knows the number that the registry forgot"


def test_two_publishers_at_once_get_different_numbers(layers: Layers, tmp_path: Path) -> None:
    layers.publish()
    other = Layers.__new__(Layers)
    with scratch_repo(tmp_path / "other") as repo:
        repo.prefix = layers.repo.prefix
        other.__init__(repo, layers.host)  # type: ignore[misc]
        for which, one in (("a", layers), ("b", other)):
            one.change_low(which)
        with ThreadPoolExecutor() as pool:
            tags = list(pool.map(lambda one: one.publish(), (layers, other)))
        assert sorted(tags) == [f"{DAY}.1", f"{DAY}.2"]
        digests = {layers.registry.resolve(tag) for tag in (f"{DAY}.0", *tags)}
        assert len(digests) == 3
        assert layers.registry.resolve("latest") == layers.registry.resolve(f"{DAY}.2")


def test_an_old_commit_is_built_on_the_base_of_its_day_in_both_stages(layers: Layers) -> None:
    first = layers.publish()
    layers.update()
    old = layers.commit("record")
    assert (layers.lock().tag, layers.lock().suite) == (first, "bookworm")
    then = {stage: base_of(layers.build(stage=stage)) for stage in ("local", "prod")}
    assert then["local"] == (f"{layers.name}:{first}", layers.registry.resolve(first))
    assert then["prod"] == (f"{layers.name}:{first}-prod", layers.registry.resolve(f"{first}-prod"))
    layers.change_low("other")
    assert base_of(layers.build()) == then["local"], "the source moved, the record did not"
    assert "behind" not in layers.repo.invoke("docker_bases").stdout
    assert "source differs" in layers.repo.invoke("docker_bases").stdout
    second = layers.publish()
    assert "behind" in layers.repo.invoke("docker_bases").stdout
    layers.update()
    layers.commit("record again")
    now = layers.build()
    assert base_of(now) == (f"{layers.name}:{second}", layers.registry.resolve(second))
    layers.repo.git("checkout", "--quiet", old)
    layers.remove_images()
    again = layers.build()
    assert base_of(again) == then["local"], "pulled by its digest"
    assert is_on(again, inspect(f"{layers.name}@{then['local'][1]}"))


def test_another_repo_extends_a_released_base(layers: Layers, tmp_path: Path) -> None:
    tag = layers.publish()
    with scratch_repo(tmp_path / "other") as repo:
        path = add(repo, "mine", f"image:{layers.name}:{tag}")
        refused = repo.invoke("docker_build", "--dir", "mine")
        assert refused.returncode == 2 and "fix: invoke docker_bases --update --dir" in refused.stderr
        assert repo.invoke("docker_bases", "--update").returncode == 0
        lock = parse((path / PATH).read_text(), "base.lock")
        assert (lock.digest, lock.prod) == (layers.registry.resolve(tag), layers.registry.resolve(f"{tag}-prod"))
        assert repo.run("--engine", "docker").of("mine") == ("PASS", 0)
        assert repo.run("--engine", "venv").of("mine") == ("SKIP", 0)
        repo.git("add", "--all")
        done = repo.invoke("docker_build", "--dir", "mine", "--stage", "prod")
        assert done.returncode == 0, done.stderr
        assert base_of(inspect(done.stdout.split()[0])) == (f"{layers.name}:{tag}-prod", lock.prod)


def test_the_layers_of_a_published_base_are_known_again_in_what_is_released_on_it(layers: Layers) -> None:
    layers.publish()
    layers.update()
    layers.commit("record")
    root = layers.repo.root

    load = config.loader(root)
    chain = image_chain(load(root / "top"), load, Stage.PROD)
    made = artifact.make(docker_engine(), chain, Source("a" * 40, 1_700_000_000), Control())
    (held,) = contents(made.layout, made.digest)
    known = newest.layers_of(layers.lock())
    assert known and known < set(held.diff_ids)
    published, own = held.split(known)
    below = {file.path for layer in published for file in layer.files}
    above = {file.path for layer in own for file in layer.files if file.is_file}
    assert "etc/os-release" in below and "etc/os-release" not in above
    assert any(path.startswith("app/") for path in above)


def test_a_checkout_with_changes_publishes_nothing(layers: Layers) -> None:
    (layers.repo.root / "low" / "new.py").write_text("")
    assert "low/new.py" in layers.publish(code=4)
    assert layers.registry.tags() == []
    done = layers.repo.invoke("docker_bases", "--publish", "--dir", "low", "--dry-run")
    assert done.stdout == f"would publish {layers.name}:{DAY}.0 and move latest\n"


class Edited(Publishing):
    """A publication whose build takes so long that somebody edits the checkout, or commits, meanwhile."""

    edit: Callable[[], object]

    def _build(self) -> Base:
        """Build nothing: what would be pushed is in no layout."""
        self.edit()
        chain = self._job.chain(Stage.LOCAL)
        made = Artifact(chain[-1], chain[-2], Path("/nonexistent"), "sha256:0")
        return Base(made, made)


@pytest.mark.parametrize("how", ["an edit", "a commit"])
def test_a_checkout_that_was_changed_during_the_build_publishes_nothing(tmp_path: Path, cache: Path, how: str) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, ".", 'registry = "localhost:1/t"')
    low = add_dir(root, "low", image="low")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")

    load = config.loader(root)

    def commit() -> None:
        git(root, "commit", "--quiet", "--allow-empty", "--message", "second")

    publishing = Edited(Job(load(low), load, (), Control()))
    publishing.edit = commit if how == "a commit" else (low / "new.py").touch
    says = "from the commit" if how == "a commit" else "low/new.py"
    with pytest.raises(PolicyError, match=says):
        publishing.publish()


def test_each_image_of_a_chain_is_built_on_the_digest_of_the_one_below(layers: Layers) -> None:
    top = layers.build()
    low = layers.build("low")
    assert base_of(top) == ("dir:../low", low["Id"])
    assert is_on(top, low)
