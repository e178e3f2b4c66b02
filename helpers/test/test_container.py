from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from helpers import config, discover
from helpers.containers import environment
from helpers.dirs import soundness
from helpers.driver import container
from helpers.driver.container import INSIDE, pytest_arguments
from helpers.engine.specs import Mount, RunSpec
from helpers.errors import ConfigError, NothingSelectedError
from helpers.host import User
from helpers.model.runnable import RunnableDir
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    return make_repo(tmp_path / "r")


def load(root: Path, name: str) -> RunnableDir:
    return config.load(root, root / name, discover.runnable_paths(root))


def spec_of(runnable: RunnableDir, *arguments: str) -> RunSpec:
    return container.test_container(
        runnable,
        name="n",
        image="sha256:1",
        labels={"org.opencontainers.image.title": "a", "org.opencontainers.image.version": "1.2.3"},
        user=User(7, 8, "u"),
        results=Path("/results"),
        nonce="n1",
        tier="slow",
        arguments=arguments,
    )


def order_of(spec: RunSpec) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(spec.argv[-1])
    return order


def test_a_test_sees_its_own_directory_our_plugin_and_nothing_else(root: Path) -> None:
    spec = spec_of(load(root, add_dir(root, "a").name))
    assert (spec.mounts, spec.results) == ((Mount(root / "a"), Mount(INSIDE)), Path("/results"))
    assert (spec.network, spec.read_only, spec.publish, spec.terminal) == ("none", True, (), False)
    assert spec.cwd == root / "a" and spec.image == "sha256:1"
    assert spec.image_says == {"HELPERS_INSIDE": "a-1.2.3"}


def test_settings_lift_limits_one_by_one(root: Path) -> None:
    add_dir(root, "a", 'uses = ["../data"]\nwritable = ["out"]\nnetwork = "bridge"\nmemory = "1g"\npids = 99\ncpus = 2')
    (root / "data").mkdir()
    (root / "a" / "out").mkdir()
    spec = spec_of(load(root, "a"))
    assert Mount(root / "data") in spec.mounts and Mount(root / "a" / "out", read_only=False) in spec.mounts
    assert (spec.network, spec.memory, spec.pids, spec.options.cpus) == ("bridge", "1g", 99, 2)


def test_variables_with_a_value_are_not_those_of_the_host(root: Path) -> None:
    add_dir(root, "a", 'env = ["TOKEN", "MODE=test"]')
    spec = spec_of(load(root, "a"))
    assert (spec.inherit, spec.values) == (("TOKEN",), {"MODE": "test"})


def test_user_is_in_the_group_of_each_device_at_or_below_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody without further rights can make a device, or give a file to a group.
    devices, lstat = {"card0": (stat.S_IFCHR, 44), "001": (stat.S_IFBLK, 45), "null": (stat.S_IFCHR, 0)}, os.lstat

    def device(path: str | Path) -> os.stat_result:
        found = list(lstat(path))
        kind, group = devices.get(Path(path).name, (found[stat.ST_MODE], 46))
        found[stat.ST_MODE], found[stat.ST_GID] = kind, group
        return os.stat_result(found)

    monkeypatch.setattr(os, "lstat", device)
    (tmp_path / "bus" / "deep").mkdir(parents=True)
    for name in ("card0", "deep/001", "null", "text"):
        (tmp_path / "bus" / name).touch()
    (tmp_path / "link").symlink_to("bus/card0")
    assert environment.device_groups([f"{tmp_path}/bus/card0:/dev/x:rw"]) == (44,)
    assert environment.device_groups([f"{tmp_path}/link"]) == (44,)
    assert environment.device_groups([f"{tmp_path}/bus", f"{tmp_path}/none"]) == (44, 45)
    assert environment.device_groups([f"{tmp_path}/bus/text"]) == environment.device_groups([]) == ()


def test_services_and_an_engine_are_there_only_where_a_directory_says_so(root: Path) -> None:
    plain, asking = (load(root, add_dir(root, "a").name), load(root, add_dir(root, "b", 'docker = "sibling"').name))
    (root / "b" / "devops" / "compose.yaml").write_text("services: {}\n")
    assert (spec_of(plain).services, spec_of(plain).docker) == (None, "")
    assert (spec_of(asking).services, spec_of(asking).docker) == (root / "b" / "devops" / "compose.yaml", "sibling")


def test_runnable_dirs_inside_and_git_s_own_directory_are_hidden(root: Path) -> None:
    for name in (".", "a", "a/deep", "b"):
        add_dir(root, name)
    assert spec_of(load(root, ".")).hidden == (root / "a", root / "b", root / ".git")
    assert spec_of(load(root, "a")).hidden == (root / "a" / "deep",)


def test_tests_see_no_git_data_in_any_directory_that_they_see(root: Path) -> None:
    path = add_dir(root, "a", 'uses = ["..", "../b"]')
    for below in ("cloned/.git", "modules/.real", "b"):
        (path / below).mkdir(parents=True)
    (path / "modules" / ".git").write_text("gitdir: .real\n")
    # These names lead to no directory inside.
    for number, text in enumerate(("gitdir: .git\n", "gitdir: \0\n", "gitdir: /\n", "gitdir: .\n", "", "\xff")):
        (path / f"odd{number}").mkdir()
        (path / f"odd{number}" / ".git").write_text(text)
    (path / "linked").mkdir()
    (path / "linked" / ".git").symlink_to("../elsewhere")
    (path / "elsewhere").mkdir()
    (root / "b").mkdir()
    (root / "b" / ".git").write_text("gitdir: ../.git/modules/b\n")
    found = container.without_git(spec_of(load(root, "a")))
    hidden = {root / ".git", path / "cloned" / ".git", path / "modules" / ".real", path / "elsewhere"}
    assert set(found.hidden) == {*hidden, path / "odd3"}
    assert {path for path, shown in found.programs.items() if shown == Path("/dev/null")} == {
        str(path / "modules" / ".git"),
        str(root / "b" / ".git"),
        *(str(path / f"odd{number}" / ".git") for number in range(6)),
    }
    assert container.without_git(found) == found


def test_git_data_that_the_settings_name_is_seen(root: Path) -> None:
    add_dir(root, "a", 'uses = ["..", "../.git"]')
    assert container.without_git(spec_of(load(root, "a"))).hidden == ()


def test_a_runnable_dir_inside_that_is_used_is_not_hidden(root: Path) -> None:
    add_dir(root, "a", 'uses = ["deep"]')
    add_dir(root, "a/deep")
    assert spec_of(load(root, "a")).hidden == ()


@pytest.mark.parametrize(
    "setting, says",
    [
        ('uses = ["../../x"]', "uses: '../../x' leads out of"),
        ('uses = ["/etc"]', "uses: '/etc' leads out of"),
        ('uses = ["link"]', "uses: 'link' leads out of"),
        ('uses = ["../nowhere"]', "uses: '../nowhere' does not exist"),
        ('writable = ["../b"]', "writable: '../b' leads out of"),
        ('writable = ["nowhere"]', "writable: 'nowhere' does not exist"),
    ],
)
def test_a_path_that_leads_out_or_is_missing_is_an_error_of_the_settings(root: Path, setting: str, says: str) -> None:
    add_dir(root, "b")
    path = add_dir(root, "a", setting)
    (path / "link").symlink_to("/etc")
    with pytest.raises(ConfigError) as caught:
        spec_of(load(root, "a"))
    assert says in str(caught.value) and caught.value.where == str(path / "pyproject.toml")


def test_the_order_for_pytest_says_all_that_it_needs(root: Path) -> None:
    path = add_dir(root, "a")
    spec = spec_of(load(root, "a"), "-k", "x y", "--maxfail=1")
    runner = ("python", "-I", "-S", str(INSIDE / "runner.py"))
    assert spec.argv[:-1] == (*runner, "--results", "/results", "python", str(INSIDE / "run_pytest.py"))
    assert order_of(spec) == {
        "results": "/results",
        "tier": "slow",
        "arguments": [
            *("-c", str(path / "pyproject.toml"), "-o", "cache_dir=$TMPDIR/pytest-cache", "-o", "testpaths=test"),
            "--junitxml=/results/junit.xml",
            *("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false"),
            *("-k", "x y", "--maxfail=1"),
        ],
    }


def test_pytest_is_told_which_tests_there_are_and_decides_itself_what_the_user_names(root: Path) -> None:
    path = add_dir(root, "a", 'tests = ["test", "missing", "with space", "u?1"]')
    (path / "with space").mkdir()
    (path / "u?1").mkdir()
    arguments = pytest_arguments(load(root, "a"), Path("/r"), ["-k", "test"])
    # pytest takes each place for a pattern.
    assert "testpaths=test 'with space' 'u[?]1'" in arguments
    assert arguments[-2:] == ["-k", "test"]


@pytest.mark.parametrize(
    "file, text, option",
    [
        ("pytest.ini", "[pytest]\n", "--rootdir="),
        ("tox.ini", "[pytest]\n", "--rootdir="),
        ("README.md", "", "-c"),
    ],
)
def test_pytest_takes_its_settings_from_this_directory_only(root: Path, file: str, text: str, option: str) -> None:
    path = add_dir(root, "a")
    (path / file).write_text(text)
    assert pytest_arguments(load(root, "a"), Path("/r"), [])[0].startswith(option)


def test_a_file_that_pytest_prefers_to_pyproject_counts(root: Path) -> None:
    path = add_dir(root, "a")
    with (path / "pyproject.toml").open("a") as file:
        file.write("[tool.pytest.ini_options]\n")
    (path / "tox.ini").touch()
    assert pytest_arguments(load(root, "a"), Path("/r"), [])[0] == "-c"
    (path / "pytest.ini").touch()
    assert pytest_arguments(load(root, "a"), Path("/r"), [])[0].startswith("--rootdir=")


def test_a_path_is_mounted_once_and_writable_if_any_setting_says_so(root: Path) -> None:
    add_dir(root, "a", 'writable = ["."]\nuses = ["../a"]')
    mounts = [mount for mount in spec_of(load(root, "a")).mounts if mount.path == root / "a"]
    assert mounts == [Mount(root / "a", read_only=False)]


def test_a_directory_without_its_tests_has_nothing_to_run(root: Path) -> None:
    add_dir(root, "a", 'tests = ["tests"]')
    with pytest.raises(NothingSelectedError, match="no tests: tests does not exist"):
        spec_of(load(root, "a"))


def test_python_finds_the_code_of_runnable_dirs_that_are_used_and_no_other_directory(root: Path) -> None:
    path = add_dir(root, "a", 'uses = ["../b", "../data"]')
    below = add_dir(root, "b")
    (below / "src").mkdir()
    (root / "data").mkdir()
    env = spec_of(load(root, "a")).env
    assert env["PYTHONPATH"].split(os.pathsep) == [str(path), str(below), str(below / "src")]


def test_python_finds_modules_of_other_directories_of_the_repo_that_tests_see(root: Path) -> None:
    path = add_dir(root, "a", 'python_path = ["../lib/src"]')
    (root / "lib" / "src").mkdir(parents=True)
    spec = spec_of(load(root, "a"))
    assert spec.env["PYTHONPATH"].split(os.pathsep) == [str(path), str(root / "lib" / "src")]
    assert root / "lib" / "src" in [mount.path for mount in spec.mounts]


@pytest.mark.parametrize(("name", "what"), [("../nowhere", "does not exist"), ("../..", "leads out of")])
def test_wrong_path_of_modules_is_an_error_of_its_setting(root: Path, name: str, what: str) -> None:
    add_dir(root, "a", f'python_path = ["{name}"]')
    with pytest.raises(ConfigError, match=f"python_path: '{name}' {what}"):
        soundness.check_paths(load(root, "a"))


def test_the_environment_is_ours_and_not_the_host_s(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("WANTED", "w")
    path = add_dir(root, "a", 'env = ["WANTED"]')
    (path / "src").mkdir()
    spec = spec_of(load(root, "a"))
    env = spec.env
    assert spec.inherit == ("WANTED",) and not {"w", "s3cret"} & set(env.values()) and "PATH" not in env
    assert env["PYTHONPATH"] == f"{path}{os.pathsep}{path / 'src'}"
    assert (env["HOME"], env["USER"], env["PYTHONDONTWRITEBYTECODE"]) == ("/home/u", "u", "1")
