"""A new repo takes helpers as a submodule, as its user would type it: from `git init` to tests in a container."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSES = "def test_it():\n    assert True\n"
Adopt = Callable[..., Scratch]


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def form(request: pytest.FixtureRequest) -> str:
    """In which form the submodule is."""
    return str(request.param)


@pytest.fixture
def adopt(scratch: Scratch, tmp_path: Path) -> Adopt:
    """Makes a super-repo of helpers in a form and at a path, with the options of `init`."""
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "toolchain")
    scratch.git("subtree", "split", "-q", "-P", "helpers", "-b", "helpers")

    def make(form: str, *options: str, path: str = "helpers") -> Scratch:
        above = Scratch.__new__(Scratch)
        above.root, above.prefix = tmp_path / "super repo", scratch.prefix
        above.root.mkdir(exist_ok=True)
        above.git("init", "--quiet", "--initial-branch", "main")
        branch = ["-b", "helpers"] if form == "the sub-repo alone" else []
        above.git("submodule", "--quiet", "add", *branch, str(scratch.root), path)
        assert (above.root / path / "__init__.py").exists() == bool(branch)
        package = path if branch else f"{path}/helpers"
        command = [sys.executable, f"{package}/thin_env/bootstrap.py", "init", *options]
        done = subprocess.run(command, cwd=above.root, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return above

    return make


@pytest.mark.parametrize("path", ["helpers", "tools/helpers"])
def test_the_toolchain_works_as_a_submodule_of_another_repo(adopt: Adopt, form: str, path: str) -> None:
    above = adopt(form, path=path)
    above.add("tool", PASSES, image="above")
    result = above.run("--engine", "docker")
    assert result.of("tool") == ("PASS", 0), result.stderr
    assert list(result.verdicts) == ["tool"]
    listed = above.invoke("--list")
    assert listed.returncode == 0
    assert "docker_bash" in listed.stdout
    inside = above.invoke("docker_cmd", "--", "git", "-C", f"../{path}", "status", "--short", cwd=above.root / "tool")
    assert (inside.returncode, inside.stdout) == (0, ""), inside.stderr
    assert above.containers() == []
    _from_a_worktree(above)


def _from_a_worktree(above: Scratch) -> None:
    above.git("add", "--all")
    above.git("commit", "--quiet", "--message", "helpers")
    other = Scratch.__new__(Scratch)
    other.root, other.prefix = above.root.parent / "work tree", above.prefix
    above.git("worktree", "add", "--quiet", "-b", "other", str(other.root))
    other.git("submodule", "--quiet", "update", "--init")
    result = other.run("--engine", "docker")
    assert result.of("tool") == ("PASS", 0), result.stderr
    shell = "source dev_scripts/setenv.sh && invoke dir_list"
    listed = subprocess.run(["bash", "-c", shell], cwd=other.root, capture_output=True, encoding="utf-8")
    assert listed.returncode == 0, listed.stderr
    assert "tool" in listed.stdout
    assert other.containers() == []


def test_a_first_runnable_dir_passes_its_tests_at_once(adopt: Adopt, scratch: Scratch) -> None:
    name = f"{scratch.prefix}-hello"
    above = adopt("the sub-repo alone", "--name", f"runnable_dirs/{name}", "--registry", "127.0.0.1:5000/team")
    result = above.run("--engine", "docker")
    assert result.code == 0, result.stderr
    assert result.of(f"runnable_dirs/{name}") == ("PASS", 0)
    changed = above.git("status", "--porcelain", "--untracked-files=all").splitlines()
    added = [line[3:] for line in changed if not line[3:].startswith(("helpers", ".gitmodules", "runnable_dirs/"))]
    assert len(added) == 8, added
    assert not os.path.exists(above.root / name)


SEES = """
import os
import tool

def test_it():
    assert tool.ANSWER == 42
    here = os.path.dirname(os.path.abspath(__file__))
    assert sorted(os.listdir(os.path.join(here, "helpers"))) == SEEN
"""


def test_the_package_at_the_root_of_a_repo_is_tested_where_it_is(
    adopt: Adopt, form: str, scratch: Scratch, tmp_path: Path
) -> None:
    root = tmp_path / "super repo"
    # Of helpers there is only what reports the verdict.
    seen = SEES.replace("SEEN", repr(["inside"] if form == "the sub-repo alone" else ["helpers"]))
    name = f"{scratch.prefix}-tool"
    project = f'[project]\nname = "{name}"\nrequires-python = ">=3.11,<3.12"\ndynamic = ["version"]\n'
    for path, text in {"pyproject.toml": project, "tool/__init__.py": "ANSWER = 42\n", "test_tool.py": seen}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    above = adopt(form, "--name", ".", "--registry", "127.0.0.1:5000/team")
    result = above.run("--engine", "docker")
    assert (result.code, list(result.verdicts)) == (0, ["."]), result.stderr
    assert result.of(".") == ("PASS", 0)
    assert "1 passed" in result.stdout
    checked = above.invoke("dir_check")
    assert checked.returncode == 0, checked.stdout
    # A test of the root that fails is seen, so that the one above was run.
    (root / "tool" / "__init__.py").write_text("ANSWER = 41\n")
    assert above.run("--engine", "docker").of(".") == ("FAIL", 1)


# Modules of the team beside helpers, which helpers must not import in place of the standard library's.
TRAPS = ("yaml", "packaging", *sys.stdlib_module_names)
TEAM = {
    "helpers/__init__.py": 'OWNER = "the team"\n',
    "helpers/words.py": "def loud(word):\n    return word.upper()\n",
    "app.py": "from helpers.words import loud\n\nTITLE = loud('title')\n",
    **{f"tools/{name}.py": "raise RuntimeError(__file__)\n" for name in TRAPS},
}
USES_OWN = """
    import helpers, helpers.words

    def test_own_package():
        assert helpers.OWNER == "the team" and helpers.words.loud("x") == "X"
"""
AT_ROOT = "    import app\n" + USES_OWN + "        assert app.TITLE == 'TITLE'\n"


@pytest.fixture
def team(adopt: Adopt, scratch: Scratch, form: str, tmp_path: Path) -> Scratch:
    """A repo with a package `helpers` of its own, which its code and tests import, and helpers at `tools/helpers`."""
    root = tmp_path / "super repo"
    for name, text in TEAM.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    made = Scratch.__new__(Scratch)
    made.root, made.prefix = root, scratch.prefix
    made.add(".", AT_ROOT, image="root", settings='tests = ["test"]\n')
    options = "[tool.pytest.ini_options]\npythonpath = ['../..']\n"
    made.add("runnable_dirs/forecast", USES_OWN, image="forecast", settings=f'uses = ["../../helpers"]\n\n{options}')
    return adopt(form, path="tools/helpers")


def test_team_with_a_package_helpers_of_its_own_uses_every_documented_command(team: Scratch) -> None:
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message", "helpers")
    shell = "source dev_scripts/setenv.sh && cd runnable_dirs/forecast && invoke --list && main_pytest.py --list"
    done = subprocess.run(["bash", "-c", shell], cwd=team.root, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and "docker_bash" in done.stdout, done.stderr
    for engine in ("venv", "docker"):
        result = team.run("--engine", engine)
        assert {name: verdict["verdict"] for name, verdict in result.verdicts.items()} == {
            ".": "PASS",
            "runnable_dirs/forecast": "PASS",
        }, result.stderr
    inside = team.invoke("docker_cmd", "--dir", ".", "--", "python", "-c", "import helpers; print(helpers.OWNER)")
    assert (inside.returncode, inside.stdout) == (0, "the team\n"), inside.stderr
    inside = team.invoke("docker_cmd", "--dir", ".", "--", "invoke", "run_fast_tests", "--dir", ".")
    assert inside.returncode == 0, inside.stdout + inside.stderr
    for task in ("dir_check --all", "ci_generate", "ci_generate --check", "devcontainer_generate"):
        done = team.invoke(*task.split())
        assert done.returncode == 0, (task, done.stdout, done.stderr)
    # 6: an engine under load answers too late.
    assert team.invoke("doctor").returncode in (0, 6)
    assert "tools/helpers" in (team.root / ".devcontainer" / "devcontainer.json").read_text()
    assert team.containers() == []


# A user with a name, for whom git takes paths of this machine as URLs.
NAMES = {"protocol.file.allow": "always", "user.name": "t", "user.email": "t@example.invalid"}
MAY_PUSH = {"GIT_CONFIG_COUNT": str(len(NAMES))} | {
    f"GIT_CONFIG_{kind}_{number}": value
    for number, pair in enumerate(NAMES.items())
    for kind, value in zip(("KEY", "VALUE"), pair, strict=True)
}


def test_helpers_elsewhere_is_kept_in_step(team: Scratch, scratch: Scratch, form: str) -> None:
    team.git("add", "--all")
    team.git("commit", "--quiet", "--message", "helpers")
    branch = "helpers" if form == "the sub-repo alone" else "main"
    log = scratch.root / "helpers" / "changelog.txt"
    log.write_text("# helpers-99.0.0\n- 2099-01-01\n- an effect\n\n" + log.read_text())
    scratch.git("commit", "--quiet", "--all", "--message", "newer")
    scratch.git("init", "--quiet", "--bare", "../published.git")
    scratch.git("remote", "add", "origin", "../published.git")
    published = scratch.invoke("helpers_publish", cwd=scratch.root, **MAY_PUSH)
    assert published.returncode == 0, published.stderr
    if branch == "helpers":
        scratch.git("fetch", "--quiet", "origin", "helpers:helpers", "--force")
    for task in ("repo_status", "repo_roll_forward --only helpers --no-test", "sync_status --check", "sync_update"):
        done = team.invoke(*task.split(), cwd=team.root, **MAY_PUSH)
        assert done.returncode == 0, (task, done.stdout, done.stderr)
    assert team.git("log", "-1", "--format=%s") == "roll forward: tools/helpers\n"
    assert team.git("rev-parse", "HEAD:tools/helpers") == scratch.git("rev-parse", branch)
    refused = team.invoke("helpers_publish", "--dry-run")
    assert refused.returncode == 2 and "has no helpers/ of its own" in refused.stderr
