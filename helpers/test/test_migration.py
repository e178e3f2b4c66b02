"""Directories of an older scheme become runnable dirs where they are; real git, only the lock is made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers import config
from helpers.dirs import migration, old_scheme
from helpers.dirs.create import Doors
from helpers.dirs.migration import Options
from helpers.errors import ConfigError, NothingSelectedError, UsageError
from helpers.model import poetry_lock
from helpers.test.dirs_fixtures import agreed, recorded, root
from helpers.test.unit_fixtures import forget, git

__all__ = ["root"]

pytestmark = pytest.mark.slow

PLAIN = Options()
MANIFEST = """\
[tool.poetry]
name = "old"
version = "0.1.0"
description = ""
authors = []

[tool.poetry.dependencies]
python = "^3.11"
requests = "*"

[tool.poetry.group.test.dependencies]
pytest = "^8"

[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""
SCRIPT = """\
#!/usr/bin/env bash
set -e
APT_GET_OPTS="-y --no-install-recommends"
export DEBIAN_FRONTEND=noninteractive
apt-get update $APT_GET_OPTS
# apt-get install commented
apt-get install $APT_GET_OPTS git less   # tools
sudo DEBIAN_FRONTEND=noninteractive apt-get -y install libpq-dev=15.1 \\
    # in between
    graphviz \\
    git
if true; then apt-get install -y gcc && apt-get install -y g++; fi
echo "apt-get install quoted"
apt-get install -y $EXTRA ./local.deb
for one in a b; do apt-get install -y "$one"; done
apt-get purge vim
"""
CHANGELOG = "# older-2.1.0\n- 2024-02-03\n- it\n\n# older-2.0.0\n- 2023-02-03\n- first\n"


def fits(manifest: str) -> str:
    """Return a lock with the hash of a manifest."""
    found = poetry_lock.content_hash(config.parse_toml(manifest, Path("pyproject.toml")))
    head = '[[package]]\nname = "pytest"\nversion = "8.0.0"\n\n[metadata]\nlock-version = "2.0"\n'
    return f'{head}python-versions = "^3.11"\ncontent-hash = "{found}"\n'


def make_old(root: Path, name: str, image: str = "older", manifest: str = MANIFEST, lock: str | None = None) -> Path:
    """Make a directory of the older scheme, with links to tool files, and return its path."""
    path = root / name
    files = {
        "changelog.txt": CHANGELOG.replace("older", image),
        "pack/__init__.py": "",
        "pack/test/test_it.py": "def test_it():\n    pass\n",
        "devops/docker_build/pyproject.toml": manifest,
        "devops/docker_build/poetry.lock": fits(manifest) if lock is None else lock,
        "devops/docker_build/install_os_packages.sh": SCRIPT,
        "devops/docker_build/dev.Dockerfile": "FROM ubuntu:22.04\n",
        "devops/compose/docker-compose.yml": "services: {}\n",
    }
    for file, text in files.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)
    for tool in ("tasks.py", "main_pytest.py"):
        (path / tool).symlink_to(f"../../helpers/{tool}")
    forget()
    return path


class Lock:
    """Locks a directory, and counts the calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, path: Path, named: Path) -> bool:
        self.calls.append((path / "poetry.lock").read_text() if (path / "poetry.lock").exists() else "")
        (path / "poetry.lock").write_text(fits((path / "pyproject.toml").read_text()))
        return True


def migrate(path: Path, options: Options = PLAIN, *, every: bool = False, lock: Lock | None = None) -> int:
    """Migrate a directory, or all directories of the repo at `path`."""
    doors = Doors(lock=lock or Lock(), requirements=agreed, record=recorded)
    return migration.main(".", options, every=every, cwd=path, doors=doors)


def listing(path: Path) -> dict[str, str]:
    """Return the text of each file, and the target of each link, below a directory."""
    found = {file.relative_to(path).as_posix(): file for file in path.rglob("*")}
    links = {name: os.readlink(file) for name, file in found.items() if file.is_symlink()}
    return {name: file.read_text() for name, file in found.items() if name not in links and file.is_file()} | links


def test_directory_is_migrated_and_its_old_files_stay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, lock = make_old(root, "runnable_dirs/old"), Lock()
    before = listing(path)
    # The links of the older scheme are findings as long as they stay.
    assert migrate(path, lock=lock) == 2
    printed = capsys.readouterr().out
    after = listing(path)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"pyproject.toml", "poetry.lock", "devops/helpers.toml"}
    assert after["poetry.lock"] == before["devops/docker_build/poetry.lock"] and lock.calls == []
    assert after["pyproject.toml"] == MANIFEST.partition("\n[build-system]")[0].replace(
        "[tool.poetry]\n", "[tool.poetry]\npackage-mode = false\n", 1
    )
    settings = config.parse_toml(after["devops/helpers.toml"], path / "devops" / "helpers.toml")
    assert settings == {
        "base": "archive:bookworm",
        "system_packages": ["git", "less", "libpq-dev", "graphviz", "gcc", "g++"],
        "tests": ["pack"],
    }
    for line in (
        "base archive:bookworm: devops/docker_build/pyproject.toml, its Python is >=3.11,<4.0",
        "lock poetry.lock: devops/docker_build/poetry.lock, which fits the manifest",
        "system packages git, less: devops/docker_build/install_os_packages.sh:7",
        "left out: the version in libpq-dev=15.1: devops/docker_build/install_os_packages.sh:8",
        "left out: $EXTRA, which is no name of a package: devops/docker_build/install_os_packages.sh:14",
        "left out: $one, which is no name of a package: devops/docker_build/install_os_packages.sh:15",
        "left out: services of devops/compose/docker-compose.yml",
        "link tasks.py -> ../../helpers/tasks.py: of the older scheme; --remove-old removes it",
    ):
        assert line in printed
    assert not old_scheme.is_old(path) and not migration.is_meant(".", ".", path)


@pytest.mark.parametrize(
    ("manifest", "base"),
    [
        (MANIFEST.replace("^3.11", ">=3.13,<3.14"), "archive:trixie"),
        (MANIFEST.replace("^3.11", "~3.12"), "image:python:3.12-slim-bookworm"),
        ('[project]\nname = "old"\nversion = "1"\nrequires-python = ">=3.9"\n', "archive:bookworm"),
    ],
)
def test_base_has_a_python_of_the_manifest(root: Path, manifest: str, base: str) -> None:
    path = make_old(root, "runnable_dirs/old", manifest=manifest)
    migrate(path)
    assert config.parse_toml((path / "devops/helpers.toml").read_text(), path / "x")["base"] == base
    assert (
        config.parse_toml((path / "pyproject.toml").read_text(), path / "x")["tool"]["poetry"]["package-mode"] is False
    )


@pytest.mark.parametrize(("lock", "given"), [(fits("[project]\n"), fits("[project]\n")), ("", "")])
def test_lock_that_does_not_fit_is_made_anew_of_the_old_lock(root: Path, lock: str, given: str) -> None:
    path, made = make_old(root, "runnable_dirs/old", lock=lock), Lock()
    migrate(path, lock=made)
    assert made.calls == [given]
    assert (path / "poetry.lock").read_text() == fits((path / "pyproject.toml").read_text())
    assert (path / "devops/docker_build/poetry.lock").read_text() == lock


def test_dry_run_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_old(root, "runnable_dirs/old")
    before = listing(root)
    assert migrate(path, Options(dry_run=True, base="archive:trixie")) == 0
    assert listing(root) == before
    printed = capsys.readouterr()
    assert "  base archive:trixie: --base\n" in printed.out and "nothing is changed" in printed.err


def test_whole_repo_is_migrated_and_a_fault_of_one_directory_stops_no_other(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"runnable_dirs/{name}" for name in ("a", "b", "c")]
    for number, name in enumerate(names):
        make_old(root, name, f"older{number}", manifest="[tool" if name == names[1] else MANIFEST, lock="")
    assert migrate(root, every=True) == 2
    assert [(root / name / "pyproject.toml").exists() for name in names] == [True, False, True]
    assert f"{names[1]}/devops/docker_build/pyproject.toml" in capsys.readouterr().err
    git(root, "rm", "-rq", "--cached", "--ignore-unmatch", names[1])
    (root / names[1] / "changelog.txt").unlink()
    (root / names[1] / "devops/docker_build/pyproject.toml").unlink()
    with pytest.raises(NothingSelectedError):
        migrate(root, every=True)


def test_every_directory_is_meant_from_the_root_only(root: Path) -> None:
    path = make_old(root, "runnable_dirs/old")
    with pytest.raises(UsageError) as caught:
        migrate(path, every=True)
    assert str(caught.value.fix).endswith("invoke dir_create . --from . --all")


def test_old_files_are_removed_only_if_git_has_them(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, removing = make_old(root, "runnable_dirs/old"), Options(remove_old=True)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "old")
    script = path / "devops/docker_build/install_os_packages.sh"
    script.write_text(SCRIPT + "apt-get install -y tree\n")
    before = listing(path)
    assert migrate(root, removing, every=True) == 4
    assert listing(path) == before and "not committed" in capsys.readouterr().err
    git(root, "commit", "--quiet", "--all", "--message", "more")
    assert migrate(root, removing, every=True) == 0
    assert sorted(listing(path)) == [
        *("changelog.txt", "devops/compose/docker-compose.yml", "devops/helpers.toml", "pack/__init__.py"),
        *("pack/test/test_it.py", "poetry.lock", "pyproject.toml"),
    ]
    assert "tree" in (path / "devops/helpers.toml").read_text()
    assert "  removed: devops/docker_build/dev.Dockerfile\n" in capsys.readouterr().out


def test_directory_with_a_manifest_of_its_own_is_not_of_the_older_scheme(root: Path) -> None:
    path = make_old(root, "runnable_dirs/old")
    assert migration.is_meant(".", "../old", path) and not migration.is_meant(".", "", path)
    assert not migration.is_meant("../new", ".", path)
    (path / "pyproject.toml").write_text("")
    assert not migration.is_meant(".", ".", path)


@pytest.mark.parametrize(
    ("script", "packages"),
    [
        ("apt install a1 -y b2", ["a1", "b2"]),
        ("/usr/bin/apt-get -qq install a1;apt-get update", ["a1"]),
        ("apt-get update && apt-get install -y a1 || exit 1", ["a1"]),
        ("apt-get install -y \\\n  a1 \\\n  # b2\n  c3\nd4", ["a1", "c3"]),
        ("apt-get -y $OPTS install a1", ["a1"]),
        ("echo apt-get install a1", []),
        ("apt-get remove install", []),
        ("apt-get install 'a1", []),
        ("yum install a1", []),
        ("apt-get install Upper", []),
    ],
)
def test_system_packages_are_those_of_plain_commands(script: str, packages: list[str]) -> None:
    found, _ = old_scheme.system_packages(script, "x.sh")
    assert [item.value for item in found] == packages


def test_odd_manifest_is_refused(root: Path) -> None:
    path = make_old(root, "runnable_dirs/old", manifest='build-system = { requires = [] }\n[project]\nname = "x"\n')
    with pytest.raises(ConfigError, match="cannot be taken over"):
        old_scheme.read(path)
