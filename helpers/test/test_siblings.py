"""The siblings of a runnable dir: which projects count, where they are seen, and which are refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers import config, pyproject
from helpers.containers.environment import base_environment
from helpers.driver.container import test_container as container_of_tests
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.errors import ConfigError, NotCheckedOutError
from helpers.host import User
from helpers.images import lock
from helpers.images.recipe import image_chain
from helpers.manifest import path_marks
from helpers.model import local_packages
from helpers.model.lock_kind import LockKind
from helpers.model.pdm_lock import _hash
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.test.unit_fixtures import LOCK, add_dir, cache, forget, git, make_repo

__all__ = ["cache"]

USER = User(1, 1, "t")
BUILD = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
PACKAGE = '[[package]]\nname = "{name}"\nversion = "1"\n[package.source]\ntype = "directory"\nurl = "../{name}"\n\n'
APP = """\
[project]
name = "app"
requires-python = ">=3.11"
dependencies = [{needs}]
[dependency-groups]
docs = ["writer"]
[project.optional-dependencies]
fast = ["speedy ; sys_platform == 'linux'"]
[tool.poetry]
package-mode = false
[tool.uv.sources]
"""
NAMES = ("common", "lowest", "writer", "speedy", "other")


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """A repo with the projects of `NAMES`; `common` needs `lowest`, and `other` has no build backend."""
    root = make_repo(tmp_path / "r")
    for name in NAMES:
        project = root / name
        project.mkdir()
        needs = '"lowest"' if name == "common" else ""
        text = f'[project]\nname = "{name}"\nversion = "1.{len(name)}"\ndependencies = [{needs}]\n'
        text += "[tool.uv.sources]\nlowest = { path = '../lowest' }\n" if needs else ""
        (project / "pyproject.toml").write_text((BUILD if name != "other" else "") + text)
        (project / "src" / name).mkdir(parents=True)
        for module in ("__init__", "work"):
            (project / "src" / name / f"{module}.py").write_text("")
    git(root, "add", "--all")
    return root


def app(root: Path, needs: str = '"common"', settings: str = "", packages: tuple[str, ...] = NAMES) -> Path:
    """Return a runnable dir whose tables of uv name each project of the repo, and whose lock has some of them."""
    path = add_dir(root, "app", image="app")
    sources = "".join(f"{name} = {{ path = '../{name}' }}\n" for name in NAMES)
    (path / "pyproject.toml").write_text(f"{APP.format(needs=needs)}{sources}\n[tool.helpers]\n{settings}\n")
    (path / "poetry.lock").write_text("".join(PACKAGE.format(name=name) for name in packages) + LOCK)
    forget()
    return path


def load(path: Path, root: Path | None = None) -> RunnableDir:
    return config.load(root or path.parent, path, ())


def names(path: Path) -> list[str]:
    return [one.name for one in load(path).siblings]


def image(path: Path, stage: Stage = Stage.LOCAL) -> ImageSpec:
    return image_chain(load(path), config.loader(path.parent), stage)[-1]


def seen_by(path: Path) -> RunSpec:
    about = {"name": "x", "image": "i", "results": Path("/results"), "nonce": "n", "tier": "fast"}
    return container_of_tests(load(path), **about, labels={}, user=USER, arguments=())  # type: ignore[arg-type]


def test_siblings_are_found_through_siblings_and_by_the_chosen_groups_and_extras(root: Path) -> None:
    assert names(app(root)) == ["common", "lowest", "writer"]
    for settings, expected in {
        'groups = ["main"]': ["common", "lowest"],
        'extras = ["fast"]': ["common", "lowest", "writer", "speedy"],
    }.items():
        file = root / "app" / "pyproject.toml"
        file.write_text(file.read_text().partition("[tool.helpers]")[0] + f"[tool.helpers]\n{settings}\n")
        forget()
        assert names(root / "app") == expected


def test_sibling_for_another_platform_or_of_no_package_in_the_lock_is_left_out(root: Path) -> None:
    path = app(root, '"common", "other ; sys_platform == \'win32\'"', packages=("common", "other"))
    assert names(path) == ["common"]


def test_directory_without_a_path_in_its_manifest_reads_no_manifest(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add_dir(root, "plain")
    monkeypatch.setattr("helpers.manifest.siblings.of", lambda *_: pytest.fail("reads the manifest"))
    assert load(path).siblings == ()


@pytest.mark.parametrize("field", ["dependencies", "optional-dependencies"])
def test_manifest_whose_dependencies_stand_in_other_files_may_name_a_path(tmp_path: Path, field: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f'[project]\nname = "app"\nversion = "1"\ndynamic = ["{field}"]\n')
    assert path_marks.are_in(tmp_path)
    file.write_text('[project]\nname = "app"\ndynamic = ["version"]\n')
    forget()
    assert not path_marks.are_in(tmp_path)


def test_sibling_is_mounted_and_its_name_leads_to_its_checkout(root: Path) -> None:
    path = app(root, '"common", "other"')
    spec = seen_by(path)
    assert {root / name for name in ("common", "lowest", "writer", "other")} <= {one.path for one in spec.mounts}
    assert all(one.read_only for one in spec.mounts)
    pairs = base_environment(load(path), USER)["HELPERS_PROJECTS"].split(":")
    assert dict(zip(pairs[::2], pairs[1::2], strict=True)) == {
        name: str(root / name) for name in ("common", "lowest", "writer")
    }
    assert str(root / "other") in spec.env["PYTHONPATH"].split(":")
    assert str(root / "common") not in spec.env["PYTHONPATH"].split(":")


def test_sibling_is_installed_and_its_metadata_gives_another_image(root: Path) -> None:
    path = app(root, '"common", "other"')
    before = image(path)
    assert [(one.name, one.version) for one in before.distributions] == [
        ("common", "1.6"),
        ("lowest", "1.6"),
        ("writer", "1.6"),
    ]
    assert before.target == "project-dev" and not before.is_project
    (root / "common" / "src" / "common" / "work.py").write_text("# edited\n")
    assert image(path).reference == before.reference
    file = root / "lowest" / "pyproject.toml"
    file.write_text(file.read_text().replace("1.6", "1.7"))
    forget()
    assert image(path).reference != before.reference


def test_prod_has_the_siblings_of_a_plain_installation_only(root: Path) -> None:
    path = app(root)
    (path / "app.py").write_text("")
    git(root, "add", "--all")
    found = image(path, Stage.PROD)
    assert [one.name for one in found.distributions] == ["common", "lowest"]
    assert {one.installed for one in found.distributions} == {"wheel"} and found.target == "code-prod"


def test_sibling_in_the_image_below_is_not_installed_again(root: Path) -> None:
    low = add_dir(root, "low", image="low")
    (low / "pyproject.toml").write_text(f"{BUILD}{(low / 'pyproject.toml').read_text()}")
    path = app(root, '"common"', 'base = "dir:../low"')
    file = path / "pyproject.toml"
    file.write_text(file.read_text().replace("common = { path = '../common' }", "common = { path = '../low' }"))
    lockfile = path / "poetry.lock"
    lockfile.write_text(lockfile.read_text().replace("../common", "../low"))
    git(root, "add", "--all")
    forget()
    assert names(path) == ["low", "writer"]
    assert [one.name for one in image(path).distributions] == ["writer"]


def test_runnable_dir_as_a_sibling_has_the_name_and_version_of_its_changelog(root: Path) -> None:
    path = app(root)
    (root / "common" / "devops").mkdir()
    (root / "common" / "changelog.txt").write_text("# shared-2.0.0\n- 2026-01-02\n- first\n")
    forget()
    found = load(path).siblings[0]
    assert (found.name, found.version) == ("shared", "2.0.0")


def test_new_name_of_a_sibling_gives_another_image_and_two_of_a_name_are_refused(root: Path) -> None:
    path = app(root, '"common"')
    (root / "common" / "devops").mkdir()
    (root / "common" / "changelog.txt").write_text("# shared-1.0.0\n- 2026-01-02\n- first\n")
    seen = set()
    for name in ("shared", "renamed"):
        (root / "common" / "changelog.txt").write_text(f"# {name}-1.0.0\n- 2026-01-02\n- first\n")
        forget()
        seen.add(image(path).inputs)
    assert len(seen) == 2
    (root / "common" / "changelog.txt").write_text("# lowest-1.0.0\n- 2026-01-02\n- first\n")
    forget()
    with pytest.raises(ConfigError, match="needs two projects with the name 'lowest': "):
        image(path)


def test_path_out_of_the_repo_or_to_no_directory_is_refused_with_a_fix(root: Path, tmp_path: Path) -> None:
    path = app(root)
    file = path / "pyproject.toml"
    text = file.read_text()
    (tmp_path / "far").mkdir()
    for place, what in {"../../far": "outside the repo", "../far": "not a directory"}.items():
        file.write_text(text.replace("'../common'", f"'{place}'"))
        forget()
        with pytest.raises(ConfigError, match=f"depends on {place}, which is {what}") as caught:
            load(path)
        assert caught.value.fix


def test_sibling_that_git_ignores_is_refused(root: Path) -> None:
    path = app(root)
    git(root, "rm", "--quiet", "-r", "--cached", "lowest")
    (root / ".gitignore").write_text("/lowest/\n")
    with pytest.raises(ConfigError, match="git lists no file in it") as caught:
        image(path)
    fix = str(caught.value.fix)
    assert fix == f"git -C {root / 'lowest'} check-ignore --verbose ."
    assert "/lowest/" in subprocess.run(fix.split(), capture_output=True, encoding="utf-8", check=True).stdout


def test_sibling_in_a_submodule_that_is_not_checked_out_is_a_skip(root: Path, tmp_path: Path) -> None:
    sub = make_repo(tmp_path / "sub")
    (sub / "x.py").write_text("")
    git(sub, "add", "--all")
    git(sub, "commit", "--quiet", "--message", "x")
    path = app(root)
    git(root, "rm", "--quiet", "-rf", "common")
    git(root, "submodule", "--quiet", "add", str(sub), "common")
    git(root, "commit", "--quiet", "--message", "x")
    git(root, "submodule", "--quiet", "deinit", "-f", "common")
    with pytest.raises(NotCheckedOutError):
        load(path)


def test_link_of_a_sibling_to_a_file_of_its_submodule_gives_the_build_the_file(root: Path, tmp_path: Path) -> None:
    sub = make_repo(tmp_path / "sub")
    (root / "common").rename(sub / "common")
    (sub / "LICENSE").write_text("free\n")
    (sub / "common" / "LICENSE").symlink_to("../LICENSE")
    git(sub, "add", "--all")
    git(sub, "commit", "--quiet", "--message", "x")
    path = app(root)
    git(root, "submodule", "--quiet", "add", str(sub), "team")
    file = path / "pyproject.toml"
    file.write_text(file.read_text().replace("../common", "../team/common"))
    lock_file = path / "poetry.lock"
    lock_file.write_text(lock_file.read_text().replace("../common", "../team/common"))
    (root / "team" / "common" / "pyproject.toml").write_text(BUILD + '[project]\nname = "common"\nversion = "1"\n')
    forget()
    distribution = next(one for one in image(path).distributions if one.name == "common")
    assert "LICENSE" in {item.name for item in distribution.files}


@pytest.mark.parametrize("own_recipe", [False, True])
def test_prod_image_that_cannot_hold_a_sibling_is_refused(root: Path, own_recipe: bool) -> None:
    path = app(root, '"common"' if own_recipe else '"other"')
    if own_recipe:
        (path / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE} AS prod\n")
    git(root, "add", "--all")
    assert (image(path).distributions == ()) is own_recipe
    assert (str(root / "common") in seen_by(path).env["PYTHONPATH"].split(":")) is own_recipe
    with pytest.raises(ConfigError, match="which its image of prod cannot hold") as caught:
        image(path, Stage.PROD)
    assert ("Dockerfile" if own_recipe else "[build-system]") in str(caught.value.fix)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (LockKind.POETRY, {"package": [{"source": {"type": "directory", "url": "../common"}}, {"name": "six"}]}),
        (LockKind.UV, {"package": [{"source": {"editable": "../common"}}, {"source": {"registry": "x"}}]}),
        (LockKind.PDM, {"package": [{"path": "../common"}, {"name": "six"}]}),
        (LockKind.PYLOCK, {"packages": [{"directory": {"path": "../common"}}, {"name": "six"}]}),
    ],
)
def test_local_packages_of_each_kind_of_lock(kind: LockKind, data: dict[str, object]) -> None:
    assert local_packages.paths(kind, data) == {"../common"}
    assert local_packages.paths(kind, {"package": 1, "packages": 1}) is None
    assert local_packages.paths(LockKind.REQUIREMENTS, data) is None


HEAD = '[project]\nname = "app"\nversion = "1"\n'
POETRY_HEAD = '[tool.poetry]\nname = "app"\nversion = "1"\ndescription = ""\nauthors = []\n'


def test_sibling_of_a_used_directory_is_seen_and_not_installed(root: Path) -> None:
    app(root)
    path = add_dir(root, "top", 'uses = ["../app", "../common"]')
    git(root, "add", "--all")
    forget()
    assert {one.path for one in load(path).siblings} == {root / name for name in ("common", "lowest", "writer")}
    spec = seen_by(path)
    assert root / "lowest" in {one.path for one in spec.mounts}
    assert str(root / "lowest" / "src") in spec.env["PYTHONPATH"].split(":")
    assert f"lowest:{root / 'lowest'}" in spec.env["HELPERS_PROJECTS"]
    assert image(path).distributions == ()


FORMS = {
    "a URL of PEP 508": ("pyproject.toml", f'{HEAD}dependencies = ["common @ file:../common"]\n'),
    "a URL of hatch": ("pyproject.toml", f'{HEAD}dependencies = ["common @ {{root:parent:uri}}/common"]\n'),
    "a URL of pdm": ("pyproject.toml", f'{HEAD}dependencies = ["common @ file:///${{PROJECT_ROOT}}/../common"]\n'),
    "a development group of pdm": (
        "pyproject.toml",
        f'{HEAD}[tool.pdm.dev-dependencies]\ndev = ["-e file:///${{PROJECT_ROOT}}/../common#egg=common"]\n',
    ),
    "a path of poetry": (
        "pyproject.toml",
        f'{POETRY_HEAD}[tool.poetry.dependencies]\ncommon = {{ path = "../common", develop = true }}\n',
    ),
    "a group of poetry": (
        "pyproject.toml",
        f'{POETRY_HEAD}[tool.poetry.group.dev.dependencies]\ncommon = {{ path = "../common" }}\n',
    ),
    "setup.cfg": ("setup.cfg", "[metadata]\nname = app\n[options]\ninstall_requires =\n    common @ file:../common\n"),
    "setup.py": ("setup.py", "from setuptools import setup\nsetup(install_requires=['common @ file:../common'])\n"),
    "requirements.txt": ("requirements.txt", "-e ../common\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_sibling_of_an_adopted_project_is_found_in_each_form(root: Path, form: str) -> None:
    path = add_dir(root, "app", image="app", locked=False)
    (path / "pyproject.toml").unlink()
    (path / "devops" / "helpers.toml").write_text("")
    file, text = FORMS[form]
    (path / file).write_text(text)
    forget()
    assert names(path) == ["common", "lowest"]


def test_sibling_of_a_lock_of_pdm_is_in_no_export(root: Path) -> None:
    path = add_dir(root, "app", image="app", locked=False)
    text = FORMS["a URL of pdm"][1] + "[tool.helpers]\n"
    (path / "pyproject.toml").write_text(text)
    hashed = "files = [{file = 'six-1.17.0-py2.py3-none-any.whl', hash = 'sha256:" + "0" * 64 + "'}]\n"
    (path / "pdm.lock").write_text(
        "[metadata]\ngroups = ['default']\nstrategy = ['inherit_metadata']\nlock_version = '4.5.0'\n"
        f"content_hash = 'sha256:{_hash(pyproject.parse_toml(text, path), plain=False)}'\n"
        "[[package]]\nname = 'common'\nversion = '1'\npath = './../common'\ngroups = ['default']\n"
        f"[[package]]\nname = 'six'\nversion = '1.17.0'\ngroups = ['default']\n{hashed}"
    )
    forget()
    assert names(path) == ["common"]
    exported = lock.requirements(path).read_text()
    assert exported.startswith("six==1.17.0") and "common" not in exported


def test_sibling_is_found_by_the_sources_of_the_workspace(root: Path) -> None:
    path = add_dir(root, "deep/app", image="app", locked=False)
    sources = '[tool.uv.sources]\ncommon = { path = "common" }\n'
    (root / "pyproject.toml").write_text(f'[tool.uv.workspace]\nmembers = ["deep/*"]\n{sources}')
    (path / "pyproject.toml").write_text(f'{HEAD}dependencies = ["common"]\n[tool.helpers]\nlock = "../../uv.lock"\n')
    local = "".join(f"[[package]]\nname = '{name}'\nsource = {{ directory = '{name}' }}\n" for name in NAMES)
    (root / "uv.lock").write_text(f"version = 1\n{local}")
    forget()
    assert [one.path for one in config.load(root, path, ()).siblings] == [root / "common", root / "lowest"]
    (root / "pyproject.toml").write_text(f'[tool.uv.workspace]\nmembers = ["others/*"]\n{sources}')
    forget()
    assert config.load(root, path, ()).siblings == ()
