"""`--affected`: the directories that can come out otherwise than at a commit, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.driver import affected, cli, merge
from helpers.errors import UsageError
from helpers.test.unit_fixtures import DERIVED_LOCK, LOCK, add_dir, cache, forget, git, make_repo, no_poetry

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry"]


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "more")


@pytest.fixture
def root(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone, on a branch, of a repo in which `a` uses `lib`, `b` stands on `base`, and `inner` lies in `outer`."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    sub = make_repo(tmp_path / "sub")
    (sub / "x.py").write_text("x = 1\n")
    commit(sub)
    source = make_repo(tmp_path / "source")
    git(source, "submodule", "--quiet", "add", str(sub), "lib")
    (source / ".gitignore").write_text("*.tmp\n")
    add_dir(source, "a", 'uses = ["../lib"]')
    add_dir(source, "low")
    link(source, "lowest", "low")
    add_dir(source, "base", 'base = "dir:../lowest"')
    add_dir(source, "b", 'base = "dir:../base"')
    link(source, "current", "base")
    link(source, "next", "outer")
    link(source, "data", "next")
    add_dir(source, "linked", 'base = "dir:../current"\nuses = ["../data/devops"]')
    (source / "shared").mkdir()
    (source / "shared" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    link(source, "linked/devops/Dockerfile", "../../shared/Dockerfile")
    add_dir(source, "outer")
    add_dir(source, "outer/inner")
    for directory in source.rglob("devops"):
        (directory / "README.md").touch()
    commit(source)
    git(tmp_path, "clone", "--quiet", "--recurse-submodules", str(source), "r")
    root = tmp_path / "r"
    git(root, "checkout", "--quiet", "-b", "work")
    monkeypatch.chdir(root)
    return root


def write(path: str, text: str = "new\n") -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)

    return change


ON_BASE = {"base", "b", "linked"}
OUTER = {"outer", "outer/inner"}
EVERY = {"a", "b", "base", "linked", "low", "outer", "outer/inner"}


def more(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text((root / path).read_text() + text)


def link(root: Path, name: str, target: str) -> None:
    if (root / name).is_symlink():
        (root / name).unlink()
    (root / name).symlink_to(target)


def move_the_pin(root: Path) -> None:
    (root / "lib" / "x.py").write_text("x = 2\n")
    commit(root / "lib")
    commit(root)


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a test": (write("a/test/test_it.py"), {"a"}),
    "a new file": (write("a/new.py"), {"a"}),
    "an ignored file": (write("a/new.tmp"), set()),
    "a file less": (lambda root: (root / "a" / "test" / "test_it.py").unlink(), {"a"}),
    "a file elsewhere": (write("README.md"), set()),
    "a used submodule, not committed": (write("lib/x.py"), {"a"}),
    "a used submodule's pin": (move_the_pin, {"a"}),
    "the lock of a base": (write("base/poetry.lock", f"# other\n{LOCK}"), ON_BASE),
    "the project of a base": (
        lambda root: (root / "base" / "pyproject.toml").open("a").write("# x\n"),
        ON_BASE,
    ),
    "the version of a base": (
        lambda root: (root / "base" / "changelog.txt").open("a").write("- x\n"),
        ON_BASE,
    ),
    "the recipe of a base": (write("base/devops/Dockerfile", "ARG BASE\nFROM ${BASE}\n"), ON_BASE),
    "where a link to a base leads": (lambda root: link(root, "current", "outer"), {"linked"}),
    "where a used link leads": (lambda root: link(root, "data", "low"), {"linked"}),
    "where a link leads that a link leads to": (lambda root: link(root, "next", "low"), {"linked"}),
    "where a link to a base of a base leads": (lambda root: link(root, "lowest", "outer"), ON_BASE),
    "what a recipe is a link to": (write("shared/Dockerfile", "ARG BASE\nFROM ${BASE}\n# more\n"), {"linked"}),
    "the registry": (write("pyproject.toml", '[tool.helpers]\nregistry = "two.example"\n'), EVERY),
    "the registry, in a file of its own": (write("devops/helpers.toml", 'registry = "two.example"\n'), EVERY),
    "another setting of the root": (write("pyproject.toml", "[tool.ruff]\n"), set()),
    "attributes of all files": (write(".gitattributes", "*.txt eol=crlf\n"), EVERY),
    "attributes of a directory and of the one inside": (write("outer/.gitattributes", "* ident\n"), {*OUTER, "linked"}),
    "attributes of a base": (write("base/.gitattributes", "* eol=crlf\n"), ON_BASE),
    "attributes of a used submodule, not committed": (write("lib/.gitattributes", "* eol=crlf\n"), {"a"}),
    "attributes of what a recipe is a link to": (write("shared/.gitattributes", "* eol=crlf\n"), {"linked"}),
    "attributes elsewhere": (write("elsewhere/.gitattributes", "* -text\n"), set()),
    "a comment on submodules": (more(".gitmodules", "# x\n"), set()),
    "a name that is not UTF-8": (write("outer/caf\udce9.txt"), {"outer"}),
    "a name that is not UTF-8, elsewhere": (write("shared/caf\udce9.txt"), set()),
    "a test of a base": (write("base/test/test_it.py"), {"base"}),
    "a directory inside": (write("outer/inner/new.py"), {"outer/inner"}),
    "the directory around": (write("outer/new.py"), {"outer"}),
    "what is wrong": (write("a/changelog.txt", "nothing\n"), {"a"}),
}


def listed(root: Path, *options: str) -> dict[str, str]:
    forget()
    file = root.parent / "plan.json"
    cli.main(["--list", "--allow-empty", "--json", str(file), *options], root)
    return {item["directory"]: item.get("changed", "") for item in json.loads(file.read_text())["directories"]}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen_before_and_after_it_is_committed(root: Path, name: str) -> None:
    change, wanted = CHANGES[name]
    assert listed(root, "--affected") == {}
    change(root)
    assert set(listed(root, "--affected")) == wanted
    if "not committed" not in name:
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--allow-empty", "--message", "more")
        assert set(listed(root, "--affected")) == wanted
        # Of one whose files are wrong nobody knows what it sees.
        assert set(listed(root, "--affected", "HEAD")) == (wanted if name == "what is wrong" else set())


@pytest.fixture
def projects(root: Path) -> Path:
    """The repo with `child` on the project `proj`, and `own`, whose lock is made of manifests beside it."""
    add_dir(root, "proj")
    more("proj/pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n')(root)
    (root / "shared" / "data.txt").touch()
    link(root, "proj/data.txt", "../shared/data.txt")
    write("pool/work.py")(root)
    link(root, "proj/package", "../pool")
    add_dir(root, "proj/inside", 'base = "dir:.."')
    add_dir(root, "child", 'base = "dir:../proj"')
    add_dir(root, "own", locked=False)
    write("own/devops/helpers.toml", 'base = "archive:bookworm"\n')(root)
    write("own/devops/poetry.lock", DERIVED_LOCK)(root)
    write("own/pyproject.toml", OWN)(root)
    for name in ("common", "deep", "member"):
        write(f"{name}/pyproject.toml", f'[project]\nname = "{name}"\nversion = "1"\n')(root)
    more("common/pyproject.toml", 'dependencies = ["deep @ file:../deep"]\n')(root)
    write("pyproject.toml", '[tool.uv.workspace]\nmembers = ["member"]\n')(root)
    commit(root)
    return root


OWN = """\
[project]
name = "own"
version = "1"
dependencies = ["common", "member"]
[tool.uv.sources]
common = {path = "../common"}
member = {workspace = true}
"""
ON_PROJECT = {"proj", "child", "proj/inside"}
PROJECTS: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "a source of a base that is a project": (write("proj/proj/_c.c"), ON_PROJECT),
    "the settings of its build": (write("proj/setup.cfg"), ON_PROJECT),
    "what a file of a project is a link to": (write("shared/data.txt"), ON_PROJECT),
    "a module in a package that is a link": (write("pool/work.py", "more\n"), ON_PROJECT),
    "a new module in a package that is a link": (write("pool/new.py"), ON_PROJECT),
    "a directory inside a base that is a project": (write("proj/inside/new.py"), {"proj/inside"}),
    "the manifest of a path dependency": (more("common/pyproject.toml", "# more\n"), {"own"}),
    "requirements of a path dependency": (write("common/requirements.txt"), {"own"}),
    "a module of a path dependency": (write("common/common.py"), {"own"}),
    "the changelog of a path dependency": (write("common/changelog.txt"), {"own"}),
    "the manifest of a dependency of a path dependency": (more("deep/pyproject.toml", "# more\n"), {"own"}),
    "the manifest of a member of the workspace": (more("member/pyproject.toml", "# more\n"), {"own"}),
    "a workspace": (write("pyproject.toml", ""), {"own"}),
    "a setup.py": (write("common/setup.py"), {"own"}),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_change_of_a_file_that_an_image_is_made_of_affects_its_directories(projects: Path, name: str) -> None:
    change, wanted = PROJECTS[name]
    assert listed(projects, "--affected", "HEAD") == {}
    change(projects)
    assert set(listed(projects, "--affected", "HEAD")) == wanted


def test_the_list_says_why(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        write(f"a/new{number}.py")(root)
    write("base/poetry.lock", f"# other\n{LOCK}")(root)
    assert listed(root, "--affected", "main") == {
        "a": "a/new0.py, a/new1.py, a/new2.py and 2 more",
        "b": "base/poetry.lock",
        "base": "base/poetry.lock",
        "linked": "base/poetry.lock",
    }
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("b "))
    assert "  base/poetry.lock  " in line


def test_nothing_affected_is_exit_5_and_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--affected"], root) == 5
    assert "nothing is affected by what changed since" in capsys.readouterr().err
    assert cli.main(["--affected", "--allow-empty", "--json", "-"], root) == 0
    assert json.loads(capsys.readouterr().out)["directories"] == []


def test_nothing_since_the_commit_that_is_checked_out_says_so_and_to_name_another(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    says = "the commit that is checked out: the default branch has it, too\n  fix: name the commit to count from: --"
    git(root, "checkout", "--quiet", "main")
    assert cli.main(["--affected"], root) == 5
    assert says in capsys.readouterr().err
    assert cli.main(["--affected", "HEAD"], root) == 5
    assert "checked out" not in capsys.readouterr().err
    git(root, "checkout", "--quiet", "work")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "more")
    assert cli.main(["--affected"], root) == 5
    assert "checked out" not in capsys.readouterr().err


def test_where_nothing_is_affected_each_shard_leaves_a_result_and_they_are_joined(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / f"r{number}.json") for number in (1, 2)]
    for allowed, code in ((("--allow-empty",), 0), ((), 5)):
        for number, file in enumerate(files, 1):
            words = ["--affected", "--shard", f"{number}/2", "--json", file, *allowed]
            assert cli.main(words, root) == code
            said = capsys.readouterr().err
            assert "nothing is affected by what changed since" in said and "fewer shards" not in said
        assert merge.main(files) == code
    assert "shard 2/2 is empty: there are 0 directories for 2 shards\n  fix: --allow-empty" in said


@pytest.mark.parametrize("ref", ["no-such", "--upload-pack=touch PWNED", "HEAD:a", "$(touch PWNED)"])
def test_a_name_that_is_no_commit_is_bad_usage(root: Path, ref: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([f"--affected={ref}"], root) == 2
    assert "is no commit here" in capsys.readouterr().err and not list(root.rglob("PWNED"))


@pytest.mark.parametrize(
    ("ref", "fix"),
    [
        ("mian", "did you mean 'main'?"),
        ("HAED~1", "did you mean 'HEAD~1'?"),
        ("origin/mian^", "did you mean 'origin/main^'?"),
        ("team/featrue", "did you mean 'team/feature'?"),
        ("otehr", "did you mean 'origin/other'?"),
        ("v1.O", "did you mean 'v1.0'?"),
        ("0123456789", "git fetch --all  (or another name)"),
    ],
)
def test_slip_in_the_name_of_a_commit_is_answered_with_the_near_name(
    root: Path, ref: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for args in (["branch", "main"], ["branch", "team/feature"], ["tag", "v1.0"]):
        git(root, *args) if args[-1] not in git(root, "branch", "--format=%(refname:short)").split() else None
    for name in ("main", "other"):
        git(root, "update-ref", f"refs/remotes/origin/{name}", "HEAD")
    assert cli.main(["--list", f"--affected={ref}"], root) == 2
    assert f"fix: {fix}\n" in capsys.readouterr().err


def test_without_a_remote_the_fix_for_an_unknown_commit_lists_those_that_are_here(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "a")
    commit(root)
    assert cli.main(["--list", "--affected=0123456789"], root) == 2
    assert f"fix: git -C {root} log --oneline --all  (" in capsys.readouterr().err


def test_without_a_default_branch_one_must_be_named(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "r")
    (root / "x").touch()
    commit(root)
    git(root, "branch", "--move", "trunk")
    with pytest.raises(UsageError, match="no default branch"):
        affected.base_of(root, "")
    assert affected.base_of(root, "trunk") == git(root, "rev-parse", "HEAD").strip()


def test_before_the_first_commit_nobody_is_told_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no commit to count") as raised:
        affected.base_of(make_repo(tmp_path / "r"), "")
    assert raised.value.fix == "git commit, then again"


def test_helpers_itself_affects_everything(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affected, "INSIDE", root / "helpers" / "inside")
    for path in ("helpers/driver/run.py", "helpers/test/test_run.py"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    write("helpers/test/test_run.py")(root)
    assert listed(root, "--affected") == {}
    write("helpers/driver/run.py")(root)
    assert set(listed(root, "--affected")) == EVERY
