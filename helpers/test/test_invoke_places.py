"""Which tasks and which configuration `invoke` takes, by where it is called and where helpers lies."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.repos.stated_path import StatedPath
from helpers.test.conftest import ROOT
from helpers.test.small_checkout import make_checkout
from helpers.test.unit_fixtures import add_dir, git, make_repo
from helpers.thin_env import invoke_script


def a_super_repo(tmp_path: Path, form: str, path: str = "helpers") -> Path:
    """Return a repo with helpers as a submodule, by its published branch or as the whole repo."""
    root = make_repo(tmp_path / "super")
    package = root / path / ("helpers" if form == "whole" else "")
    shutil.copytree(ROOT / "helpers", package, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (root / ".git" / "modules" / path).mkdir(parents=True)
    (root / path / ".git").write_text(f"gitdir: {os.path.relpath(root / '.git' / 'modules' / path, root / path)}\n")
    for name in ("tasks.py", "invoke.yaml"):
        (root / name).write_bytes(StatedPath(path).put_into((ROOT / name).read_bytes()))
    add_dir(root, "a")
    return root


# A place in the repo, and a user's file that invoke would take for its tasks.
OTHER_TASKS = {
    "app/tasks/__init__.py": "",
    "app/sub/tasks.py": "boom(",
    "app/sub/invoke.yaml": "[",
    "d/invoke.py": "1/0",
}


@pytest.mark.parametrize(
    ("form", "place"),
    [
        *(("branch", place) for place in ("helpers", "helpers/test", "app/tasks", "app/sub", "d")),
        ("whole", "app/tasks"),
    ],
)
def test_invoke_runs_tasks_of_the_super_repo_from_any_directory(tmp_path: Path, form: str, place: str) -> None:
    root = a_super_repo(tmp_path, form)
    for name, text in OTHER_TASKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    done = invoke(tmp_path, root / place)
    assert "\na  " in done.stdout, done.stderr


# Modules of the team that are called like each module of the standard library, or like helpers.
BESIDE = [*(f"tools/{name}.py" for name in sys.stdlib_module_names), "helpers/__init__.py"]


@pytest.mark.parametrize(
    ("form", "place"),
    [
        *(("branch", place) for place in (".", "a", "tools", "tools/helpers/thin_env", "helpers")),
        *(("whole", place) for place in (".", "tools")),
    ],
)
def test_helpers_elsewhere_runs_tasks_and_imports_nothing_that_lies_beside_it(
    tmp_path: Path, form: str, place: str
) -> None:
    root = a_super_repo(tmp_path, form, "tools/helpers")
    for name in BESIDE:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("1/0")
    done = invoke(tmp_path, root / place)
    assert "\na  " in done.stdout, done.stderr


@pytest.mark.host
@pytest.mark.slow
@pytest.mark.parametrize("form", ["branch", "whole"])
def test_helpers_elsewhere_starts_from_a_bare_python(tmp_path: Path, form: str) -> None:
    checkout = make_checkout(tmp_path)
    root, place = checkout.root, checkout.root / "tools" / "helpers"
    package = place / "helpers" if form == "whole" else place
    package.parent.mkdir(parents=True)
    (root / "helpers").rename(package)
    for name in ("main_pytest.py", "tasks.py", "dev_scripts/setenv.sh"):
        (root / name).write_bytes(StatedPath("tools/helpers").put_into((root / name).read_bytes()))
    for name in BESIDE:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("1/0")
    made = checkout.run(sys.executable, package / "thin_env" / "bootstrap.py")
    assert (made.returncode, made.stdout) == (0, f"{checkout.cache}/envs/{Path(made.stdout.strip()).name}\n"), (
        made.stderr
    )
    assert checkout.run(sys.executable, "main_pytest.py").returncode == 3
    for shell in ("bash", "zsh"):
        typed = (
            f"source {shlex.quote(str(root))}/dev_scripts/setenv.sh; cd helpers; invoke --list; main_pytest.py; echo $?"
        )
        done = checkout.run(shell, "-c", typed)
        ready, stub, cli, code = done.stdout.splitlines()
        assert ready.endswith(f"are ready in {root}") and cli.startswith("cli ") and code == "3", done.stderr
        assert stub == f"stub ['--search-root', '{root}', '--list']"
    other = tmp_path / "vendor" / "h"
    shutil.copytree(package, other)
    refused = checkout.run(sys.executable, other / "thin_env" / "bootstrap.py", "init")
    assert refused.returncode == 2 and refused.stderr.endswith(f"fix: git -C '{other.parent}' mv 'h' helpers\n")


def test_shim_names_the_path_of_helpers_that_is_not_checked_out(tmp_path: Path) -> None:
    root = a_super_repo(tmp_path, "branch", "tools/helpers")
    shutil.rmtree(root / "tools" / "helpers")
    (root / "helpers").mkdir()
    (root / "helpers" / "__init__.py").write_text("1/0")
    (root / "main_pytest.py").write_bytes(StatedPath("tools/helpers").put_into((ROOT / "main_pytest.py").read_bytes()))
    says = "error: tools/helpers/ is empty; fix: git submodule update --init tools/helpers\n"
    done = invoke(tmp_path, root)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tasks.py: {says}")
    done = subprocess.run([sys.executable, "main_pytest.py"], cwd=root, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"main_pytest.py: {says}")


def invoke(folder: Path, where: Path) -> subprocess.CompletedProcess[str]:
    """Run `invoke dir_list` in a directory, by a command like that of `install.py`."""
    script = folder / "command"
    text = (ROOT / "helpers" / "thin_env" / "invoke_script.py").read_text()
    script.write_text(f"{text}\n\nprepare()\nfrom invoke.main import program\nsys.exit(run(program.run))\n")
    return subprocess.run(
        [sys.executable, script, "dir_list"], cwd=where, capture_output=True, encoding="utf-8", timeout=60
    )


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        *(("invoke.yaml", text, "invoke.yaml is no configuration") for text in ("[", "tasks: 7", "- a", "7", "\t")),
        ("invoke.json", "{", "invoke.json is no configuration"),
        ("invoke.py", "1/0", "invoke.py is no configuration of invoke; why: division by zero"),
        (".invoke.yaml", "[", ".invoke.yaml is no configuration"),
    ],
)
def test_broken_configuration_of_invoke_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, says: str
) -> None:
    root = make_repo(tmp_path / "r")
    (root / "helpers").symlink_to(ROOT / "helpers")
    shutil.copy2(ROOT / "tasks.py", root / "tasks.py")
    (root / file).write_text(text)
    monkeypatch.setenv("HOME", str(root))
    done = invoke(tmp_path, root)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert says in done.stderr and "fix: mv " in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tasks: {auto_dash_names: true}",
        "tasks: {auto_dash_names: [1]}",
        "tasks: {collection_name: nothere}",
        "tasks: {search_root: /nothere}",
    ],
)
@pytest.mark.parametrize("place", ["r", "home"])
def test_tasks_have_their_names_whatever_invoke_yaml_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, text: str
) -> None:
    root = a_super_repo(tmp_path, "branch")
    (root / "invoke.yaml").unlink()
    file = tmp_path / "home" / ".invoke.yaml" if place == "home" else root / "invoke.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = invoke(tmp_path, root)
    assert done.returncode == 0 and "\na  " in done.stdout, done.stderr


@pytest.mark.parametrize("kind", ["device", "pipe", "large"])
def test_invoke_yaml_that_is_no_small_regular_file_is_refused_unread(tmp_path: Path, kind: str) -> None:
    root = make_repo(tmp_path / "r")
    (root / "helpers").symlink_to(ROOT / "helpers")
    shutil.copy2(ROOT / "tasks.py", root / "tasks.py")
    file = root / "invoke.yaml"
    if kind == "device":
        file.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.write_text("#" * (2 << 20))
    done = invoke(tmp_path, root)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    said, _, fix = done.stderr.strip().partition("; fix: ")
    assert "invoke.yaml is no configuration of invoke; why: not a regular file" in said
    subprocess.run(["sh", "-c", fix], check=True)
    assert "no configuration" not in invoke(tmp_path, root).stderr


def test_conflict_markers_in_invoke_yaml_are_named_with_a_fix_that_works(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "r")
    (root / "helpers").symlink_to(ROOT / "helpers")
    shutil.copy2(ROOT / "tasks.py", root / "tasks.py")
    file = root / "invoke.yaml"
    for branch, text in (("base", "a: 0\n"), ("theirs", "a: 1\n"), ("ours", "a: 2\n")):
        git(root, "checkout", "--quiet", "-b", branch, *(["base"] if branch == "ours" else []))
        file.write_text(text)
        git(root, "add", "invoke.yaml")
        git(root, "commit", "--quiet", "--message", branch)
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "theirs")
    done = invoke(tmp_path, root)
    said, _, fix = done.stderr.strip().partition("; fix: ")
    assert done.returncode == 2 and f"{file}:1 has conflict markers" in said, done.stderr
    subprocess.run(["sh", "-c", fix], check=True)
    assert file.read_text() == "a: 2\n" and "has conflict markers" not in invoke(tmp_path, root).stderr


@pytest.mark.parametrize(
    ("path", "sourced", "expected"),
    [
        ("helpers", ".", True),
        ("helpers", "helpers", True),
        ("tools/helpers", "tools", True),
        ("tools/helpers", "tools/helpers", True),
        ("tools/helpers", ".", False),
        ("linked/helpers", "tools", False),
        ("helpers", "tools", False),
    ],
)
def test_completion_runs_code_of_a_sourced_checkout_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, sourced: str, expected: bool
) -> None:
    (tmp_path / "tools" / "helpers").mkdir(parents=True)
    (tmp_path / "linked").symlink_to("tools")
    (tmp_path / "tasks.py").write_bytes(StatedPath(path).put_into((ROOT / "tasks.py").read_bytes()))
    monkeypatch.setenv("HELPERS_SOURCED", f"/nonexistent:{os.path.normpath(tmp_path / sourced)}")
    assert invoke_script._is_sourced(str(tmp_path)) is expected
