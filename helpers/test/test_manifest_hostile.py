"""Manifests with wrong and hostile content: one error with file and field, or an unknown field."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from helpers.errors import ConfigError
from helpers.test.manifest_fixtures import manifest, of_toml

WRONG = {
    "[project]\nname = 1\n": r"\[project\] name must be a string",
    '[project]\nname = "a"\ndependencies = "b"\n': r"\[project\] dependencies must be a list",
    '[project]\nname = "a"\ndependencies = ["b c"]\n': r"pyproject.toml \[project\] dependencies: 'b c' has a version",
    '[project]\nname = "a"\nversion = "1"\ndynamic = ["version"]\n': "is set, and listed in dynamic",
    '[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n': "a includes itself",
    '[dependency-groups]\na = [{include-group = "b"}]\n': "includes 'b', which is no group",
    "[dependency-groups]\na = [{other = 1}]\n": r"\[dependency-groups\] a must be a string",
    '[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\nb = 1\n': "b must be a version or a table",
    '[tool.poetry]\nname = "a"\n[tool.poetry.dependencies]\nb = "one"\n': "b: is no version constraint: 'one'",
    '[tool.poetry]\nname = "a"\n[tool.poetry.group.x]\ninclude-groups = ["y"]\n': "'y', which is no group",
    '[project]\nname = "a"\n[tool.uv.sources]\nb = 1\n': r"\[tool.uv.sources\] b must be a table",
    '[project]\nname = "a"\ndependencies = ["b"]\n[tool.uv.sources]\nb = {workspace = true}\n': "no member 'b'",
    '[project]\nname = "a"\n[tool.uv.sources]\nb = {index = "c"}\n': "takes the index 'c', which",
    '[project]\nname = "a"\n[tool.poetry.dependencies]\nb = {source = "c"}\n': "takes the index 'c', which",
    '[project]\nname = "a"\n[tool]\nuv = 1\n': r"\[tool\] uv must be a table",
    f'[project]\nname = "a"\ndependencies = {["x"] * 20_000}\n': "more than 10000 items",
}


@pytest.mark.parametrize("text", WRONG, ids=list(WRONG.values()))
def test_wrong_value_is_one_error_with_file_and_field(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=WRONG[text]) as caught:
        of_toml(tmp_path, text)
    assert "pyproject.toml" in str(caught.value) and len(str(caught.value)) < 1000


def test_groups_that_multiply_are_refused(tmp_path: Path) -> None:
    twice = "".join(f'g{n} = [{{include-group = "g{n + 1}"}}, {{include-group = "g{n + 1}"}}]\n' for n in range(40))
    assert len(of_toml(tmp_path, f'[dependency-groups]\n{twice}g40 = ["a"]\n').groups["g0"]) == 1
    chain = "".join(f'g{n} = ["a{n}", {{include-group = "g{n + 1}"}}]\n' for n in range(2000))
    with pytest.raises(ConfigError, match="more than 50 deep"):
        of_toml(tmp_path, f'[dependency-groups]\n{chain}g2000 = ["a"]\n')


def test_file_outside_the_project_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret\n")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "VERSION").symlink_to("../secret.txt")
    text = '[project]\nname = "a"\ndynamic = ["version", "dependencies"]\n[tool.setuptools.dynamic]\n'
    for table in ('version = {file = "../secret.txt"}\n', 'dependencies = {file = ["../secret.txt"]}\n'):
        assert "secret" not in str(of_toml(tmp_path / "p", text + table))
    with pytest.raises(ConfigError, match="leads out of the repo") as caught:
        of_toml(tmp_path / "p", f'{text}version = {{file = "VERSION"}}\n')
    assert "secret\n" not in str(caught.value)
    script = 'from setuptools import setup\nsetup(name="a", install_requires=open("../secret.txt").readlines())\n'
    (tmp_path / "p" / "pyproject.toml").unlink()
    assert "dependencies" in manifest(tmp_path / "p", {"setup.py": script}).unknown


@pytest.mark.parametrize(("first", "part", "form"), [("['x']", "*a,", "[{}]"), ("'x'", "{a}", "f'{}'")])
def test_script_whose_values_multiply_is_unknown_before_they_are_built(
    tmp_path: Path, first: str, part: str, form: str
) -> None:
    lines = [f"a0 = {first}"]
    lines += [f"a{n + 1} = " + form.replace("{}", part.replace("a", f"a{n}") * 40) for n in range(6)]
    script = "\n".join(["from setuptools import setup", *lines, "setup(name='mine', install_requires=[a6])"])
    tracemalloc.start()
    assert "dependencies" in manifest(tmp_path, {"setup.py": f"{script}\n"}).unknown
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_project_outside_the_repo_is_not_read_for_its_name(tmp_path: Path) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "r"
    (root / ".git").mkdir(parents=True)
    of_toml(elsewhere, '[project]\nname = "secret"\n')
    of_toml(root / "beside", '[project]\nname = "known"\n')
    (root / "p").mkdir()
    (root / "p" / "link").symlink_to(elsewhere)
    lines = f"-e {elsewhere}\n-e ../../elsewhere\n-e ./link\n-e ../beside\n"
    found = manifest(root / "p", {"requirements.txt": lines})
    assert [item.name for item in found.paths] == ["elsewhere", "elsewhere", "link", "known"]
