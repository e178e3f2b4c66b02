"""`devcontainer_generate`: what an editor is told, which is what `docker_bash` does, and nothing of one machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from helpers import config, host
from helpers.containers import editor, shell
from helpers.engine import argv
from helpers.engine.client_config import PROXY_VARIABLES
from helpers.engine.specs import ImageSpec
from helpers.errors import ConfigError, NothingSelectedError, PolicyError
from helpers.generate import devcontainer
from helpers.repos import shared_files
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]

pytestmark = pytest.mark.slow

# Of the ones that an image and no compose file has: https://containers.dev/implementors/json_reference/
KEYS = {
    "name": str,
    "image": str,
    "initializeCommand": list,
    "workspaceMount": str,
    "workspaceFolder": str,
    "mounts": list,
    "runArgs": list,
    "containerEnv": dict,
    "updateRemoteUserUID": bool,
    "customizations": dict,
}
# What an editor gives a container by itself, or the image has.
NOT_THE_EDITORS = {"--name", "--interactive", "--rm", "--user", "--workdir", "--mount", "--env", "--label"}
HOSTILE = ["$(touch PWNED)", "`touch PWNED`", "it's", 'say "x"', "-rf", "a\nb", "grün"]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """A repo that has helpers and two runnable dirs."""
    path = make_repo(tmp_path / "a repo")
    (path / "helpers").symlink_to(shared_files.PACKAGE)
    add_dir(path, "deep/one", 'memory = "3g"\npids = 77\nenv = ["API_URL", "MODE=test"]', image="one")
    add_dir(path, "two", image="two")
    return path


def read(root: Path, name: str) -> dict[str, Any]:
    """Return what a file of ours says; it begins with one line of comment."""
    head, text = (root / devcontainer.path_of(name)).read_text().split("\n", 1)
    assert head.startswith("// ")
    found: dict[str, Any] = json.loads(text)
    return found


def test_a_file_has_keys_of_the_specification_with_values_of_their_types(root: Path) -> None:
    assert devcontainer.main(cwd=root) == 0
    for name in ("deep/one", "two"):
        found = read(root, name)
        assert {key: type(value) for key, value in found.items()} == KEYS
        texts = [*found["initializeCommand"], *found["mounts"], *found["runArgs"], *found["containerEnv"].values()]
        assert all(isinstance(text, str) for text in texts)
        # Docker takes no value of which something is left to be filled in.
        left = json.dumps(found).replace("${localWorkspaceFolder}", "")
        assert "${" not in left


def test_a_directory_is_opened_in_its_own_image_at_its_own_path(root: Path) -> None:
    devcontainer.main(cwd=root)
    found = read(root, "deep/one")
    assert found["image"] == "one:editor"
    assert found["workspaceMount"] == "type=bind,source=${localWorkspaceFolder},target=${localWorkspaceFolder}"
    assert found["workspaceFolder"] == "${localWorkspaceFolder}/deep/one"
    assert found["containerEnv"]["PYTHONPATH"] == "${localWorkspaceFolder}/deep/one"
    assert found["containerEnv"]["MODE"] == "test"
    build = ["invoke", "devcontainer_build", "--dir=deep/one"]
    assert found["initializeCommand"] == ["python3", "helpers/thin_env/bootstrap.py", *build]
    assert (root / found["initializeCommand"][1]).is_file()
    for mount in found["mounts"]:
        source = mount.split(",")[1].removeprefix("source=${localWorkspaceFolder}/")
        assert (root / source).is_file() and mount.endswith("readonly=true")


def test_where_the_whole_repo_is_the_submodule_its_scripts_are_one_deeper(root: Path) -> None:
    (root / "helpers").unlink()
    (root / "helpers").symlink_to(shared_files.PACKAGE.parent)
    devcontainer.main(cwd=root)
    found = read(root, "two")
    assert found["initializeCommand"][1] == "helpers/helpers/thin_env/bootstrap.py"
    assert (root / found["initializeCommand"][1]).is_file()
    assert "/helpers/helpers/inside/" in found["mounts"][0]


def test_limits_and_rights_are_those_of_docker_bash_one_by_one(root: Path) -> None:
    runnable = config.load(root, root / "deep/one", [])
    user = host.User(1000, 1000, "ann")
    spec = replace(shell.workplace(runnable, user, ImageSpec("one", "one:1", "", runnable.base)), argv=("bash",))
    command = argv.run(spec, account_files=Path("/accounts"), remove=True)
    options = command[2 : command.index("--entrypoint")]
    devcontainer.main(cwd=root)
    theirs = read(root, "deep/one")["runArgs"]
    home = ["--tmpfs", next(word for word in options if word.startswith("/home/ann:"))]
    ours = [pair for pair in _pairs(options) if pair[0] not in NOT_THE_EDITORS and pair != home]
    # The editor uses the settings of the client, and the settings may name proxies.
    empty = [["--env", f"{name}="] for name in PROXY_VARIABLES]
    assert _pairs(theirs) == [*ours, *empty, ["--env", "API_URL"]]
    assert {"3g", "77", "ALL", "no-new-privileges", "never"} <= set(theirs)
    assert not {"--user", "--privileged"} & set(theirs)


def _pairs(options: list[str]) -> list[list[str]]:
    """Return each option with its value, if it has one."""
    starts = [index for index, word in enumerate(options) if word.startswith("--")]
    return [options[start:end] for start, end in pairwise([*starts, len(options)])]


def test_nothing_of_one_machine_or_user_is_in_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devcontainer.main(cwd=root)
    assert not {"HOME", "USER", "LOGNAME", "HELPERS_INSIDE"} & set(read(root, "two")["containerEnv"])
    monkeypatch.setattr(host, "user", lambda: host.User(4711, 4711, "somebody"))
    other = root.parent / "elsewhere"
    shutil.copytree(root, other, symlinks=True)
    forget()
    assert devcontainer.main(cwd=other, check=True) == 0


def test_the_root_has_the_file_that_editors_look_for_first(root: Path) -> None:
    add_dir(root, ".", image="top")
    assert devcontainer.main(cwd=root) == 0
    files = sorted(path.relative_to(root).as_posix() for path in (root / ".devcontainer").rglob("*.json"))
    below = [".devcontainer/deep.one/devcontainer.json", ".devcontainer/two/devcontainer.json"]
    assert files == sorted([".devcontainer/devcontainer.json", *below])
    assert read(root, ".")["workspaceFolder"] == "${localWorkspaceFolder}"


def test_a_changed_setting_is_drift_until_it_is_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert devcontainer.main(cwd=root, check=True) == 1
    assert not (root / ".devcontainer").exists()
    assert devcontainer.main(cwd=root) == devcontainer.main(cwd=root, check=True) == 0
    project = root / "two" / "pyproject.toml"
    project.write_text(project.read_text() + 'memory = "5g"\n')
    forget()
    capsys.readouterr()
    assert devcontainer.main(cwd=root, check=True) == 1
    assert '+    "5g",' in capsys.readouterr().out
    assert devcontainer.main(cwd=root, check=True, directory="deep/one") == 0
    assert devcontainer.main(cwd=root, directory="two") == devcontainer.main(cwd=root, check=True) == 0


def test_a_new_version_is_no_drift(root: Path) -> None:
    devcontainer.main(cwd=root)
    (root / "two" / "changelog.txt").write_text("# two-9.0.0\n- 2026-01-02\n- new\n")
    assert devcontainer.main(cwd=root, check=True) == 0


def test_the_file_of_a_directory_that_is_gone_goes_too_and_one_of_the_users_stays(root: Path) -> None:
    devcontainer.main(cwd=root)
    own = root / ".devcontainer" / "mine" / "devcontainer.json"
    own.parent.mkdir()
    own.write_text('{"image": "debian"}\n')
    shutil.rmtree(root / "two")
    assert devcontainer.main(cwd=root, check=True) == 1
    assert devcontainer.main(cwd=root) == 0
    assert not (root / devcontainer.path_of("two")).exists()
    assert own.exists() and (root / devcontainer.path_of("deep/one")).exists()


def test_a_file_of_the_users_is_refused_with_all_others(root: Path) -> None:
    own = root / devcontainer.path_of("two")
    own.parent.mkdir(parents=True)
    own.write_text("{}\n")
    with pytest.raises(PolicyError, match="of yours"):
        devcontainer.main(cwd=root)
    assert not (root / devcontainer.path_of("deep/one")).exists()
    assert devcontainer.main(cwd=root, overwrite=True) == 0
    assert Path(f"{own}.orig").read_text() == "{}\n"


def test_a_wrong_directory_is_said_and_the_others_are_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    devcontainer.main(cwd=root)
    (root / "deep/one" / "pyproject.toml").write_text("[tool.helpers]\ntiemout = 1\n")
    (root / devcontainer.path_of("two")).unlink()
    forget()
    assert devcontainer.main(cwd=root) == 2
    assert "tiemout" in capsys.readouterr().err
    assert (root / devcontainer.path_of("deep/one")).exists() and (root / devcontainer.path_of("two")).exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_directory_of_any_name_is_one_word(root: Path, name: str) -> None:
    add_dir(root, name, image="hostile")
    assert devcontainer.main(cwd=root) == 0
    found = read(root, name)
    assert found["initializeCommand"][-1] == f"--dir={name}"
    assert found["workspaceFolder"] == f"${{localWorkspaceFolder}}/{name}"
    assert not list(root.rglob("PWNED"))


def test_a_path_that_an_editor_would_fill_in_is_refused(root: Path) -> None:
    path = add_dir(root, "${localEnv:HOME}", image="hostile")
    with pytest.raises(ConfigError, match="no editor can open"):
        devcontainer.generated(config.load(root, path, []), "helpers")
    assert devcontainer.main(cwd=root) == 2


def test_what_an_editors_container_does_not_have_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "two" / "devops" / "compose.yaml").write_text("services: {}\n")
    add_dir(root, "three", 'docker = "child"', image="three")
    assert devcontainer.main(cwd=root) == 0
    said = capsys.readouterr().err
    assert "note: two: an editor's container is without the services of compose.yaml" in said
    assert 'note: three: an editor\'s container is without docker = "child"' in said
    assert "deep/one:" not in said
    assert "--privileged" not in read(root, "three")["runArgs"]


def test_the_interpreter_is_named_where_the_shared_recipe_puts_it(root: Path) -> None:
    (root / "two" / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    devcontainer.main(cwd=root)
    vscode = {name: read(root, name)["customizations"]["vscode"]["settings"] for name in ("deep/one", "two")}
    assert vscode == {"deep/one": {"python.defaultInterpreterPath": "/opt/venv/bin/python"}, "two": {}}


def test_a_repo_without_a_directory_has_none_to_open(tmp_path: Path, cache: Path) -> None:
    path = make_repo(tmp_path / "empty")
    (path / "helpers").symlink_to(shared_files.PACKAGE)
    with pytest.raises(NothingSelectedError):
        devcontainer.main(cwd=path)


def test_container_of_an_editor_has_the_variables_of_the_file_and_no_value_is_written(root: Path) -> None:
    add_dir(root, "deep/three", 'env_file = "../../vars.env"', image="three")
    (root / "vars.env").write_text("TOKEN=secret word\n")
    assert devcontainer.main(cwd=root) == 0
    options = read(root, "deep/three")["runArgs"]
    assert options[-2:] == ["--env-file", "${localWorkspaceFolder}/vars.env"]
    assert "secret" not in (root / devcontainer.path_of("deep/three")).read_text()
    assert "--env-file" not in read(root, "two")["runArgs"]


@pytest.mark.parametrize("line", ["A='x'", 'A="x y"', "export A=x", "A=x "])
def test_variable_that_an_editor_would_read_otherwise_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    path = add_dir(root, "three", 'env_file = ".env"', image="three")
    monkeypatch.setattr(shell, "provided", lambda *_: pytest.fail("an image was built"))
    (path / ".env").write_text(f"# a comment\nB=1=2\r\n\n  {line}\n")
    with pytest.raises(ConfigError, match="another value of 'A'") as caught:
        editor.build(str(path))
    assert caught.value.fix == "write A=VALUE without them" and "x" not in caught.value.what.removeprefix("an editor")
    (path / ".env").write_text("# a comment\nB=1=2\r\n\n  A=x\n")
    with pytest.raises(pytest.fail.Exception, match="an image was built"):
        editor.build(str(path))


def test_value_that_an_editor_takes_for_a_variable_is_refused(root: Path) -> None:
    add_dir(root, "three", 'env = ["SECRET=${localEnv:TOKEN}"]', image="three")
    with pytest.raises(ConfigError, match=r"takes the \$\{ in the value of SECRET for a variable"):
        devcontainer.generated(config.load(root, root / "three", []), "helpers")
