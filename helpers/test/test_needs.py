"""Which groups, extras and files the tests of a project need, by the project's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.manifest import environments, needs
from helpers.manifest.needs import Needs
from helpers.test.manifest_fixtures import manifest

PROJECT = '[project]\nname = "mine"\ndependencies = ["attrs"]\n'
GROUPS = '[dependency-groups]\ntest = ["pytest"]\ndev = ["pytest", "ruff"]\ndocs = ["sphinx"]\n'
EXTRAS = '[project.optional-dependencies]\ntests = ["pytest"]\nhttp = ["h11"]\nall = ["mine[tests,http]"]\n'


def chosen(path: Path, **files: str) -> Needs:
    found = manifest(path, files)
    return needs.choose(found, environments.find(path))


def names(found: Needs) -> list[str]:
    return [f"{item.kind} {item.name}" for item in found.choices]


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("tox.ini", "[testenv]\nextras =\n    tests\n    http\n", ["extra tests", "extra http"]),
        ("tox.ini", "[testenv]\ndependency_groups =\n    lint: docs\n    py311,tests: dev\n", ["group dev"]),
        ("tox.ini", "[testenv]\ndeps =\n    -r{toxinidir}/needs/requirements.txt\n    .[all]\n", ["extra all"]),
        ("tox.toml", '[env_run_base]\ndependency_groups = ["dev"]\n', ["group dev"]),
        (
            "noxfile.py",
            "import nox\n@nox.session\ndef tests(s):\n    s.install('.[tests]')\n",
            ["extra tests"],
        ),
        (
            "noxfile.py",
            "import nox\n@nox.session(python='3')\ndef unit(s):\n    s.run_install('uv', 'sync', '--group=dev')\n",
            ["group dev"],
        ),
        (
            "noxfile.py",
            "import nox\n@nox.session\ndef tests(s):\n    s.install(*nox.project.dependency_groups(P, 'dev'))\n",
            ["group dev"],
        ),
        ("noxfile.py", "import nox\n@nox.session\ndef lint(s):\n    s.install('.[http]')\n", ["group test"]),
        ("noxfile.py", "raise SystemExit\n", ["group test"]),
    ],
)
def test_environment_for_tests_is_a_hint(tmp_path: Path, file: str, text: str, wanted: list[str]) -> None:
    assert names(chosen(tmp_path, **{"pyproject.toml": PROJECT + EXTRAS + GROUPS, file: text})) == wanted


def test_environment_of_hatch_is_a_hint(tmp_path: Path) -> None:
    hatch = '[tool.hatch.envs.hatch-test]\nextra-dependencies = ["mock"]\nfeatures = ["tests"]\n'
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT + EXTRAS + hatch})
    assert names(found) == ["extra tests"]
    assert [item.value for item in found.requirements] == ["mock"]


def test_names_of_tests_come_before_names_of_development(tmp_path: Path) -> None:
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT + EXTRAS + GROUPS})
    assert names(found) == ["group test"]
    assert found.left_out == ["group dev", "group docs", "extra http", "extra all"]
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT + GROUPS.replace("test", "lint", 1)})
    assert names(found) == ["group dev"]


def test_choice_goes_on_until_pytest_is_there(tmp_path: Path) -> None:
    text = f'{PROJECT}[dependency-groups]\ntest = ["hypothesis"]\ndev = ["pytest-cov"]\n'
    assert names(chosen(tmp_path, **{"pyproject.toml": text})) == ["group test", "group dev"]
    found = chosen(tmp_path, **{"pyproject.toml": text.replace("pytest-cov", "ruff")})
    assert (names(found), [item.value for item in found.requirements]) == (["group test"], ["pytest"])


def test_requirements_file_for_tests_is_the_one_with_the_shortest_name(tmp_path: Path) -> None:
    files = dict.fromkeys(("tests.txt", "tests-min.txt", "dev.txt", "constraints-test.txt"), "pytest\n")
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT}, **{f"requirements/{k}": v for k, v in files.items()})
    assert names(found) == ["file requirements/tests.txt"]


def test_requirements_of_an_environment_count_if_no_group_has_pytest(tmp_path: Path) -> None:
    tox = "[testenv]\ndeps =\n    pytest>=7  # why\n    attrs\n    mock\n"
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT, "tox.ini": tox})
    assert [item.value for item in found.requirements] == ["pytest>=7", "mock"]
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT + GROUPS, "tox.ini": tox})
    assert found.requirements == [] and found.left_out[-1] == "mock of tox.ini [testenv]"


def test_requirements_file_that_is_missing_is_named(tmp_path: Path) -> None:
    found = chosen(tmp_path, **{"pyproject.toml": PROJECT, "tox.ini": "[testenv]\ndeps = -r tests/needs.txt\n"})
    assert found.left_out == ["tests/needs.txt of tox.ini [testenv]"]
