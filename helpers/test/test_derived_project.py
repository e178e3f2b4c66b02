"""The project that poetry locks for a directory whose own manifest is not edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import config, pyproject
from helpers.errors import ConfigError, StaleError
from helpers.images import derived_project, lock, lock_source
from helpers.images.recipe import image_chain
from helpers.model import lock_kind
from helpers.model.pinned_line import Selection
from helpers.model.poetry_lock import content_hash
from helpers.test.dirs_fixtures import packages_of
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]

OWN = """\
[project]
name = "one"
version = "3.1"
requires-python = ">=3.8"
dependencies = ["attrs>=20", "common", "colorama ; sys_platform == 'win32'"]

[project.optional-dependencies]
fast = ["orjson"]
all = ["one[fast]", "six"]

[dependency-groups]
test = ["pytest<9", "one[all]"]
docs = ["docutils"]

[tool.uv.sources]
common = { path = "../common" }
"""


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    return make_repo(tmp_path / "r")


def own(root: Path, settings: str = "", project: str = OWN) -> Path:
    """Return a runnable dir whose manifest belongs to another tool."""
    path = add_dir(root, "one", locked=False)
    (path / "pyproject.toml").write_text(project)
    (path / "devops" / "helpers.toml").write_text(f"{settings}\n")
    common = root / "common"
    common.mkdir()
    (common / "pyproject.toml").write_text('[project]\nname = "common"\nversion = "1"\ndependencies = ["pyyaml>=6"]\n')
    forget()
    return path


def derived(path: Path) -> dict[str, dict[str, object]]:
    return pyproject.parse_toml(derived_project.text(path), path)


def test_derived_project_holds_main_dependencies_groups_and_needs_of_projects_beside_it(root: Path) -> None:
    found = derived(own(root))
    assert found["project"]["dependencies"] == ["attrs>=20", "colorama ; sys_platform == 'win32'", "pyyaml>=6"]
    assert found["dependency-groups"] == {"test": ["pytest<9", "orjson", "six"], "docs": ["docutils"]}
    assert found["project"]["name"] == "one-checkout" and "optional-dependencies" not in found["project"]


def test_derived_project_holds_only_chosen_groups_and_extras(root: Path) -> None:
    found = derived(own(root, 'groups = ["docs"]\nextras = ["fast"]'))
    assert found["project"]["optional-dependencies"] == {"fast": ["orjson"]}
    assert found["dependency-groups"] == {"docs": ["docutils"], "test": ["pytest<9"]}


@pytest.mark.parametrize("groups", ['["main"]', '["devops/test-requirements.txt"]'])
def test_export_for_development_holds_the_requirements_file_and_pytest(root: Path, groups: str) -> None:
    path = own(root, f"groups = {groups}", OWN.replace('"pytest<9", ', ""))
    (path / "devops" / "test-requirements.txt").write_text("mock\n")
    (path / lock_kind.DERIVED).write_text("")
    # poetry refuses to name a group like a file, and pytest is in a group of its own.
    assert lock._selection(lock_source.of(path), ()) == Selection(None, ())
    assert "test" in derived(path)["dependency-groups"]
    assert lock._selection(lock_source.of(path), ["main"]) == Selection(("main",))


def test_pytest_is_added_without_a_version_if_the_project_states_none(root: Path) -> None:
    found = derived(own(root, 'groups = ["main"]', OWN.replace('"pytest<9", ', "")))
    assert found["dependency-groups"] == {"test": ["pytest"]}


@pytest.mark.parametrize(
    ("base", "python"),
    [
        ("archive:bookworm", ">=3.11,<3.12"),
        ("image:python:3.12-slim", ">=3.12,<3.13"),
        ("image:team.example/python:3.13", ">=3.13,<3.14"),
        ("image:debian:12", ">=3.8"),
        ("dir:../below", ">=3.13,<3.14"),
        ("dir:../nowhere", ">=3.8"),
        ("dir:../one", ">=3.8"),
    ],
)
def test_lock_is_for_the_python_of_the_base(root: Path, base: str, python: str) -> None:
    add_dir(root, "below", 'base = "archive:trixie"')
    path = own(root, f'base = "{base}"')
    assert derived(path)["project"]["requires-python"] == python


@pytest.mark.parametrize("setting", ["groups", "extras"])
def test_unknown_group_or_extra_is_refused_with_the_known_names(root: Path, setting: str) -> None:
    path = own(root, f'{setting} = ["nothing"]')
    with pytest.raises(ConfigError, match=f"setting {setting}: the project has no 'nothing'") as caught:
        derived_project.text(path)
    assert ("test, docs" if setting == "groups" else "fast, all") in str(caught.value.fix)


def test_dependencies_that_only_a_backend_knows_are_refused(root: Path) -> None:
    dynamic = '[project]\nname = "one"\ndynamic = ["version", "dependencies"]\n[build-system]\n'
    path = own(root, project=f'{dynamic}requires = ["hatchling"]\nbuild-backend = "hatchling.build"\n')
    with pytest.raises(ConfigError, match="known to its build backend only"):
        derived_project.text(path)


def test_project_beside_it_but_outside_the_repo_is_refused(root: Path, tmp_path: Path) -> None:
    path = own(root, project=OWN.replace("../common", "../../common"))
    with pytest.raises(ConfigError, match="outside the repo"):
        derived_project.text(path)


def test_lock_is_expected_in_devops_and_is_stale_after_an_edit_of_the_manifest(root: Path) -> None:
    path = own(root)
    with pytest.raises(StaleError, match=r"has no poetry\.lock"):
        lock_source.of(path)
    file = lock_source.to_write(path).file
    assert file == path / "devops" / "poetry.lock"
    text = content_hash(derived(path))
    packages = packages_of(derived_project.text(path)) + '[[package]]\nname = "pytest"\nversion = "8"\n\n'
    file.write_text(f'{packages}[metadata]\ncontent-hash = "{text}"\n')
    lock_source.check(path)
    before = inputs(root, path)
    (path / "pyproject.toml").write_text(OWN + "# a comment\n")
    assert inputs(root, path) == before
    (root / "common" / "pyproject.toml").write_text(
        '[project]\nname = "common"\nversion = "1"\ndependencies = ["six"]\n'
    )
    assert inputs(root, path) != before
    with pytest.raises(StaleError, match=r"devops/poetry\.lock does not match the manifest of the project"):
        lock_source.check(path)


def inputs(root: Path, path: Path) -> str:
    forget()
    load = config.loader(root)
    return image_chain(load(path), load)[-1].inputs


def test_lock_of_the_project_itself_counts_before_a_lock_in_devops_is_made(root: Path) -> None:
    path = own(root)
    (path / "poetry.lock").write_text("# a lock\n")
    assert lock_source.of(path).file == path / "poetry.lock"


def test_chosen_group_with_a_line_that_is_no_requirement_is_refused(root: Path) -> None:
    table = '[tool.pdm.dev-dependencies]\nlint = ["git+https://host.example/foo"]\n'
    with pytest.raises(ConfigError, match="lint has a line that is no requirement"):
        derived(own(root, 'groups = ["lint"]', OWN + table))


def beside(root: Path, name: str, project: str) -> None:
    (root / name).mkdir(exist_ok=True)
    (root / name / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n{project}\n')
    forget()


def sources(**places: str) -> str:
    return "[tool.uv.sources]\n" + "".join(f"{name} = {{ {text} }}\n" for name, text in places.items())


def test_extra_of_a_project_that_two_projects_need_is_kept(root: Path) -> None:
    common = sources(b='path = "../b"', c='path = "../c"')
    path = own(root, "", f'[project]\nname = "one"\ndependencies = ["b", "c[fast]"]\n{common}')
    beside(root, "b", f'dependencies = ["c"]\n{common}')
    beside(root, "c", 'dependencies = ["six"]\noptional-dependencies.fast = ["orjson"]')
    assert derived(path)["project"]["dependencies"] == ["six", "orjson"]


def test_dependency_that_one_way_limits_to_a_platform_is_kept_for_all(root: Path) -> None:
    common = sources(b='path = "../b"', c='path = "../c"')
    dependencies = '["b ; sys_platform == \'win32\'", "c"]'
    path = own(root, "", f'[project]\nname = "one"\ndependencies = {dependencies}\n{common}')
    beside(root, "b", f'dependencies = ["c", "attrs"]\n{common}')
    beside(root, "c", 'dependencies = ["six"]')
    assert derived(path)["project"]["dependencies"] == ["attrs ; sys_platform == 'win32'", "six"]


def test_extras_of_projects_that_need_each_other_end(root: Path) -> None:
    path = own(root, 'extras = ["x"]', _mutual("one", "b"))
    beside(root, "b", _mutual("", "one"))
    assert derived(path)["project"]["optional-dependencies"] == {"x": ["six"]}


def _mutual(name: str, other: str) -> str:
    head = f'[project]\nname = "{name}"\n' if name else ""
    table = sources(**{other: f'path = "../{other}"'})
    return f'{head}optional-dependencies.x = ["six", "{other}[x]"]\n{table}'


def test_extras_that_multiply_are_read_once(root: Path) -> None:
    extras = "".join(f'e{n} = ["one[e{n + 1}]", "one[e{n + 1}]"]\n' for n in range(2000))
    project = f'[project]\nname = "one"\n[project.optional-dependencies]\n{extras}e2000 = ["six"]\n'
    assert derived(own(root, 'extras = ["e0"]', project))["project"]["optional-dependencies"] == {"e0": ["six"]}


def test_extras_that_multiply_by_markers_are_refused(root: Path) -> None:
    two = "\"one[e{1}] ; os_name == '{0}'\", \"one[e{1}] ; os_name != '{0}'\""
    extras = "".join(f"e{n} = [{two.format(n, n + 1)}]\n" for n in range(40))
    project = f'[project]\nname = "one"\n[project.optional-dependencies]\n{extras}e40 = ["six"]\n'
    with pytest.raises(ConfigError, match="need more than 5000 requirements"):
        derived(own(root, 'extras = ["e0"]', project))


def test_project_beside_it_that_is_missing_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"depends on \.\./gone, which is not a directory"):
        derived(own(root, project=OWN.replace("../common", "../gone")))


def test_python_that_the_base_has_not_is_refused_with_both(root: Path) -> None:
    path = own(root, 'base = "archive:bookworm"', OWN.replace(">=3.8", ">=3.13"))
    with pytest.raises(ConfigError, match=r"needs Python >=3\.13, and its base archive:bookworm has 3\.11"):
        derived(path)


CHOSEN = {
    "uv": (
        '[tool.uv.sources]\nsix = {index = "corp"}\nattrs = [{index = "corp", marker = "os_name == \'nt\'"}]\n'
        '[[tool.uv.index]]\nname = "corp"\nurl = "https://corp.example/simple"\nexplicit = true\n'
    ),
    "poetry": (
        '[tool.poetry.dependencies]\nsix = {source = "Corp"}\n'
        'attrs = [{source = "corp", markers = "os_name == \'nt\'"}, {source = "PyPI", markers = "os_name != \'nt\'"}]\n'
        '[tool.poetry.group.test.dependencies]\nsix = {source = "corp"}\n[[tool.poetry.source]]\nname = "corp"\n'
        'url = "https://corp.example/simple"\npriority = "explicit"\n'
    ),
}


@pytest.mark.parametrize("tool", CHOSEN)
def test_dependency_keeps_its_own_index(root: Path, tool: str) -> None:
    project = '[project]\nname = "one"\ndependencies = ["six", "attrs", "h11"]\n[dependency-groups]\ntest = ["six"]\n'
    found = derived(own(root, project=project + CHOSEN[tool]))["tool"]["poetry"]
    assert isinstance(found, dict)
    six, attrs = (
        [{"source": "own-1"}],
        [{"source": "own-1", "markers": "os_name == 'nt'"}, {"markers": "os_name != 'nt'"}],
    )
    assert found["dependencies"] == {"six": six, "attrs": attrs}
    assert found["group"] == {"test": {"dependencies": {"six": six}}}
    assert found["source"] == [{"name": "own-1", "url": "https://corp.example/simple", "priority": "explicit"}]


def test_dependency_with_two_indexes_is_refused(root: Path) -> None:
    text = '[project]\nname = "one"\ndependencies = ["six"]\n[tool.uv.sources]\nsix = [{index = "a"}, {index = "b"}]\n'
    text += "".join(f'[[tool.uv.index]]\nname = "{name}"\nurl = "https://{name}.example"\n' for name in "ab")
    with pytest.raises(ConfigError, match="six has two indexes"):
        derived(own(root, project=text))


def test_limits_of_a_new_lock_follow_their_markers(root: Path) -> None:
    limits = '["six<1.10 ; sys_platform == \'win32\'", "attrs<24", "attrs>20 ; sys_platform == \'linux\'"]'
    path = own(
        root,
        project=OWN.replace("[tool.uv.sources]", f"[tool.uv]\nconstraint-dependencies = {limits}\n[tool.uv.sources]"),
    )
    found = lock._constraints(lock_source.to_write(path))
    assert {name: versions for name, (versions, _) in found.items()} == {"attrs": "<24,>20"}


def test_limit_that_is_no_requirement_is_an_error_with_its_place(root: Path) -> None:
    project = OWN.replace("[tool.uv.sources]", '[tool.uv]\nconstraint-dependencies = ["a b"]\n[tool.uv.sources]')
    with pytest.raises(ConfigError, match="'a b' has a version without an operator") as caught:
        lock._constraints(lock_source.to_write(own(root, project=project)))
    assert "constraint-dependencies" in str(caught.value)
