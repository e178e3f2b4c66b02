"""The life of an image on a live engine and a real registry: release, promotion, rollback, refusals."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.registry.manifest import ACCEPT, sha256
from helpers.test.conftest import Scratch, docker, scratch_repo, start, thin_env
from helpers.test.registry_fixtures import docker_registry

pytestmark = pytest.mark.engine

TEST = "import tool\n\ndef test_it():\n    assert tool.answer() == 42\n"


class Released:
    """A scratch repo with one runnable dir that has code, and a registry for its images."""

    def __init__(self, repo: Scratch, host: str) -> None:
        self.repo = repo
        self.host = host
        self.path = repo.add("tool", TEST, image="tool")
        (self.path / "tool").mkdir()
        (self.path / "tool" / "__init__.py").write_text("def answer():\n    return 42\n")
        (self.path / "tool" / "__main__.py").write_text("import tool\n\nprint(tool.answer())\n")
        (repo.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{host}/team"\n')
        self.name = f"{host}/team/{repo.prefix}-tool"
        self.commit("first")

    def commit(self, message: str) -> None:
        self.repo.git("add", "--all")
        self.repo.git("commit", "--quiet", "--message", message)

    def version(self, number: str) -> None:
        """Add a version to the changelog and commit it."""
        log = self.path / "changelog.txt"
        log.write_text(f"# {self.repo.prefix}-tool-{number}\n- 2026-11-21\n- next\n\n{log.read_text()}")
        self.commit(number)

    def tags(self) -> dict[str, str]:
        """Return the digest of each tag in the registry, made of what the registry gives for it."""
        listed = json.loads(self._get("tags/list") or "{}").get("tags") or []
        return {tag: sha256(self._get(f"manifests/{tag}")) for tag in listed}

    def invoke(self, *arguments: str, code: int = 0) -> str:
        """Run a task and return what it printed."""
        done = self.repo.invoke(*arguments, cwd=self.path)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _get(self, path: str) -> bytes:
        """Ask the registry itself: a client's start for each tag would take longer than what is tested."""
        url = f"http://{self.host}/v2/{self.name.split('/', 1)[1]}/{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": ACCEPT}), timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError:
            return b""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    """A repo whose version 0.1.0 is released to prod."""
    place = tmp_path_factory.mktemp("release")
    with docker_registry(place) as host, scratch_repo(place / "repo") as repo:
        made = Released(repo, host)
        assert "no version is released to prod" in made.invoke("docker_rollback")
        assert "read its layers" in made.invoke("docker_release", "--stage", "prod", "--dry-run")
        made.invoke("docker_release", "--stage", "prod")
        yield made


def test_a_release_gives_both_stages_their_tags_and_doing_it_again_does_nothing(released: Released) -> None:
    before = released.tags()
    assert before["dev"] == before["dev-0.1.0"]
    assert before["prod"] == before["prod-0.1.0"] != before["dev"]
    said = released.invoke("docker_release", "--stage", "prod")
    assert said.count("nothing to do") == 2 and "rollback" not in said
    assert released.tags() == before


def test_what_was_tested_is_what_a_user_pulls_and_starts(released: Released) -> None:
    reference = f"{released.name}:prod-0.1.0"
    docker("pull", "--quiet", reference)
    try:
        assert docker("run", "--rm", "--read-only", reference) == "42\n"
        assert docker("run", "--rm", "--entrypoint", "id", reference, "-u") == "65532\n"
        labels = json.loads(docker("image", "inspect", reference))[0]["Config"]["Labels"]
        assert labels["org.opencontainers.image.revision"] == released.repo.git("rev-parse", "HEAD").strip()
        assert labels["org.opencontainers.image.version"] == "0.1.0"
        assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")
    finally:
        docker("image", "rm", "--force", reference)


def test_a_released_version_with_other_content_is_refused_with_both_digests(released: Released) -> None:
    before = released.tags()
    code = released.path / "tool" / "__init__.py"
    text = code.read_text()
    code.write_text(text + "# changed\n")
    released.commit("changed without a new version")
    assert "build it and compare" in released.invoke("docker_release", "--stage", "prod", "--dry-run")
    said = released.invoke("docker_release", "--stage", "prod", code=4)
    assert before["prod-0.1.0"] in said and said.count("sha256:") >= 2
    assert released.tags() == before
    code.write_text(text)
    released.commit("back")


def test_work_that_no_commit_holds_is_not_released(released: Released) -> None:
    before = released.tags()
    released.version("0.2.0")
    (released.path / "tool" / "new.py").write_text("")
    said = released.invoke("docker_release", code=4)
    assert "tool/tool/" in said
    (released.path / "tool" / "new.py").unlink()
    assert released.tags() == before


def test_work_that_goes_on_during_a_release_is_not_released(released: Released) -> None:
    before = released.tags()
    released.version("0.2.2")
    settings = released.path / "pyproject.toml"
    text = settings.read_text()
    process = start([str(thin_env() / "bin" / "invoke"), "docker_release"], released.path)
    assert process.stderr
    assert any("building" in line for line in process.stderr)
    settings.write_text(text + "# edited meanwhile\n")
    said = process.communicate(timeout=120)[1]
    settings.write_text(text)
    assert process.returncode == 4 and "changed during the build" in said
    assert released.tags() == before


def test_a_failing_test_keeps_an_image_out_of_the_registry(released: Released) -> None:
    before = released.tags()
    released.version("0.2.3")
    (released.path / "test" / "test_it.py").write_text("def test_it():\n    assert False\n")
    released.commit("broken")
    said = released.invoke("docker_release", code=1)
    assert "did not pass" in said
    assert released.tags() == before
    (released.path / "test" / "test_it.py").write_text(TEST)
    released.commit("mended")


def test_versions_go_forward_a_rollback_goes_back_and_nothing_is_built_for_it(released: Released) -> None:
    released.version("0.3.0")
    released.invoke("docker_release", "--stage", "prod")
    new = released.tags()
    assert new["prod"] == new["prod-0.3.0"]
    released.invoke("docker_rollback", "--version", "0.1.0")
    back = released.tags()
    assert back["prod"] == back["prod-0.1.0"] == new["prod-0.1.0"]
    moved = {"prod": "", "prod-rolled-back": new["prod-0.3.0"]}
    assert {**back, **moved} == {**new, **moved}
    forward = f"invoke docker_rollback --stage prod --version 0.3.0 --dir {released.path}"
    for more in ([], ["--dry-run"]):
        said = released.invoke("docker_release", "--stage", "prod", *more)
        assert "nothing to do" in said and "a rollback moved prod back to 0.1.0" in said and forward in said
    assert released.tags()["prod"] == back["prod"], "a release undid a rollback"
    listed = released.invoke("docker_rollback")
    assert "0.3.0" in listed and "0.1.0" in listed and "<- prod" in listed.split("0.1.0")[1]
    assert "0.9.9 is not released" in released.invoke("docker_rollback", "--version", "0.9.9", code=4)
    said = released.invoke("docker_promote", "--version", "0.3.0")
    assert new["prod-0.3.0"] in said and "building" not in said
    assert released.tags() == {**new, **moved, "prod": new["prod"]}
    assert "0.3.0 is released already" in released.invoke("docker_promote", "--version", "0.2.9", code=4)
    released.invoke("docker_promote", "--version", "latest", code=2)


def test_an_older_checkout_is_not_released_over_a_newer_one(released: Released) -> None:
    log = released.path / "changelog.txt"
    text = log.read_text()
    log.write_text(text.replace("0.3.0", "0.2.9"))
    released.commit("older")
    assert "0.3.0 is released" in released.invoke("docker_release", code=4)
    log.write_text(text)
    released.commit("newer")


def test_a_push_is_under_the_user_s_own_tag(released: Released) -> None:
    said = released.invoke("docker_build", "--push")
    (tag,) = [name for name in released.tags() if name.startswith("local-")]
    assert f"{released.name}:{tag}" in said


def test_a_dry_run_says_what_is_left_and_changes_nothing(released: Released) -> None:
    before = released.tags()
    released.version("0.4.0")
    said = released.invoke("docker_release", "--stage", "prod", "--dry-run")
    assert said.index("dev-0.4.0") < said.index("prod-0.4.0")
    assert "run its tests inside it" in said
    assert released.tags() == before


def test_what_contradicts_itself_is_bad_usage(released: Released) -> None:
    for arguments in (["--platform", "linux/arm64"], ["--platform", "linux/vax", "--push"], ["--push", "--all"]):
        released.invoke("docker_build", *arguments, code=2)
    released.invoke("docker_release", "--stage", "local", code=2)


def test_without_a_registry_a_release_says_where_to_name_one(tmp_path: Path, released: Released) -> None:
    settings = released.repo.root / "pyproject.toml"
    text = settings.read_text()
    settings.write_text("")
    said = released.invoke("docker_release", code=2)
    settings.write_text(text)
    assert "registry" in said


@pytest.mark.parametrize(
    "name, content, says",
    [
        (".env", "PASSWORD=x\n", ".env"),
        ("key.txt", "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", "a private key"),
    ],
)
def test_a_secret_in_the_code_keeps_an_image_from_being_built(
    released: Released, name: str, content: str, says: str
) -> None:
    before = released.tags()
    secret = released.path / "tool" / name
    secret.write_text(content)
    released.commit("planted")
    said = released.invoke("docker_release", "--stage", "prod", code=4)
    assert says in said and name in said
    secret.unlink()
    released.commit("removed")
    assert {tag for tag in released.tags() if tag.startswith("prod")} == {
        tag for tag in before if tag.startswith("prod")
    }


def test_a_link_out_of_the_directory_keeps_an_image_from_being_built(released: Released) -> None:
    link = released.path / "tool" / "passwd"
    link.symlink_to("/etc/passwd")
    released.commit("link")
    assert "link out of" in released.invoke("docker_build", "--stage", "prod", code=4)
    link.unlink()
    released.commit("no link")


def test_two_architectures_are_released_tried_and_promoted_as_one(released: Released) -> None:
    """Emulates the other architecture; the first time it assembles its base, which takes minutes."""
    released.version("0.5.0")
    both = "linux/amd64,linux/arm64"
    said = released.invoke("docker_release", "--stage", "prod", "--platform", both)
    assert "on linux/amd64" in said and "on linux/arm64" in said
    for tag in ("dev-0.5.0", "prod-0.5.0", "prod"):
        raw = json.loads(docker("buildx", "imagetools", "inspect", "--raw", f"{released.name}:{tag}"))
        found = {item["platform"]["architecture"] for item in raw["manifests"] if item["platform"]["os"] == "linux"}
        assert found == {"amd64", "arm64"}
    new = released.tags()
    released.invoke("docker_rollback", "--version", "0.3.0")
    released.invoke("docker_promote", "--version", "0.5.0")
    assert released.tags() == {**new, "prod-rolled-back": new["prod-0.5.0"]}
