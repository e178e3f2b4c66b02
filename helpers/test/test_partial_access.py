"""A user who has no access to a submodule works in the rest; what needs it is named, skipped, and never green."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import config, discover
from helpers.driver import cli
from helpers.driver import plan as planner
from helpers.driver.plan import Plan
from helpers.engine import choose as choosing
from helpers.errors import HelpersError, NotCheckedOutError
from helpers.images import recipe
from helpers.test.fake_engine import PASSES, FakeEngine, Tests
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]
NEEDS = {
    "directory": 'uses = ["../vault"]',
    "file": 'uses = ["../vault/lib/a.py"]',
    "deep": 'uses = ["../open/inner"]',
    "base": 'base = "dir:../vault/ground"',
    "above": 'base = "dir:../base"',
}


@pytest.fixture
def root(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A super-repo whose submodules `vault`, and `inner` of the submodule `open`, are not checked out."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    sources = {}
    for name, inner in (("vault", ""), ("inner", ""), ("open", "inner")):
        sources[name] = make_repo(tmp_path / "sources" / name)
        (add_dir(sources[name], "ground") / "devops" / "README.md").touch()
        (sources[name] / "lib").mkdir()
        (sources[name] / "lib" / "a.py").write_text("a = 1\n")
        if inner:
            git(sources[name], "submodule", "--quiet", "add", str(sources[inner]), inner)
        git(sources[name], "add", "--all")
        git(sources[name], "commit", "--quiet", "--message", "first")
    top = make_repo(tmp_path / "top")
    for name in ("vault", "open"):
        git(top, "submodule", "--quiet", "add", str(sources[name]), name)
    git(top, "submodule", "--quiet", "deinit", "--force", "vault")
    for name, settings in NEEDS.items():
        add_dir(top, name, settings)
    add_dir(top, "fine", 'uses = ["../open/lib"]')
    monkeypatch.chdir(top)
    return top


def make(root: Path) -> Plan:
    every = discover.runnable_paths(root)
    return planner.make(root, every, every, "fast")


def test_what_needs_a_missing_submodule_is_a_skip_that_names_it_and_the_rest_is_planned(root: Path) -> None:
    plan = make(root)
    missing = {item.name: item.error.what.split()[3].rstrip(",") for item in plan.dirs if item.error}
    assert missing == {**dict.fromkeys(NEEDS, "vault"), "deep": "open/inner"}
    assert all(isinstance(item.error, NotCheckedOutError) for item in plan.dirs if item.name != "fine")
    assert {step.key for step in plan.steps if step.key.startswith("test ")} == {"test fine"}
    data = {item["directory"]: item for item in plan.as_data()["directories"]}
    assert "git submodule update --init" in data["file"]["skip"] and "image" in data["fine"]
    line = next(line for line in plan.as_text().splitlines() if line.startswith("above "))
    assert "skip: needs the submodule vault, which is not checked out" in line


def test_the_run_passes_with_skips_and_with_nothing_but_skips_it_does_not(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = make(root).images
    fake = FakeEngine(images, has=tuple(images), tests={"fine": Tests(PASSES)})
    monkeypatch.setattr(choosing, "choose", lambda name: fake)
    assert cli.main(["--json", "report.json"], root) == 0
    out, err = capsys.readouterr()
    assert f"6 directories: 1 PASS, {len(NEEDS)} SKIP" in out
    assert "SKIP deep" in err and "needs the submodule open/inner" in err
    skipped = json.loads((root / "report.json").read_text())["directories"][0]
    assert (skipped["directory"], skipped["verdict"]) == ("above", "SKIP") and "vault" in skipped["why"]
    assert cli.main(["--dir", "above", "--dir", "file"], root) == 5
    assert cli.main(["--list"], root) == 0


def test_with_the_submodule_nothing_is_skipped(root: Path) -> None:
    git(root, "submodule", "--quiet", "update", "--init", "--recursive")
    forget()
    plan = make(root)
    assert [item.name for item in plan.dirs if item.error] == [] and len(plan.dirs) == 6


def test_something_that_is_missing_elsewhere_is_an_error_and_no_skip(root: Path) -> None:
    add_dir(root, "typo", 'base = "dir:../valt/ground"')
    with pytest.raises(HelpersError) as caught:
        load = discover.runnable_paths(root)
        recipe.image_chain(config.load(root, root / "typo", load), config.loader(root, load))
    assert not isinstance(caught.value, NotCheckedOutError) and caught.value.exit_code == 2
