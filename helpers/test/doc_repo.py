"""The repo in which the commands of the documentation run: a super-repo with helpers, examples and submodules."""

from __future__ import annotations

from pathlib import Path

from helpers.test.conftest import Scratch
from helpers.test.doc_shell import DocShell
from helpers.test.fleet import Fleet
from helpers.thin_env import cache_path

_TESTS = """
import pytest
from forecast import smoothing

def test_smoothing_is_the_mean():
    assert smoothing([1, 3]) == 2

@pytest.mark.slow
def test_smoothing_of_many():
    assert smoothing(range(101)) == 50

@pytest.mark.superslow
def test_smoothing_of_more():
    assert smoothing(range(1001)) == 500
"""
_CODE = {
    "forecast/__init__.py": "def smoothing(values):\n    return sum(values) / len(values)\n",
    "forecast/__main__.py": "import sys\nfrom forecast import smoothing\n\n"
    "lines = open(sys.argv[1]).read().split()[1:]\n"
    "print(smoothing([int(line.split(',')[1]) for line in lines]))\n",
    "test/daily_sales.csv": "day,value\n2026-11-01,3\n2026-11-02,5\n",
}
_PASSES = "def test_it():\n    pass\n"


class DocRepo(Scratch):
    """A super-repo with helpers as a directory, runnable dirs and submodules, pushed to a remote of its own.

    Arguments:
        home: an empty directory; it holds the remotes, and is the home of the user.
        registry: host and port of a registry, for commands that need an engine; the thin environment needs a network.
    """

    def __init__(self, home: Path, registry: str = "") -> None:
        self.home, self.registry = home, registry or "127.0.0.1:5000"
        fleet = Fleet(home)
        super().__init__(home / "repo")
        typed = {
            "git@HOST:team/forecast.git": f"{fleet.remotes}/forecast.git",
            "127.0.0.1:5000": self.registry,
            " URL": f" '{fleet.remotes}/top.git'",
            "/forecast:": f"/{self.prefix}-forecast:",
            "REGISTRY/NAME:": f"{self.registry}/team/{self.prefix}-forecast:",
            "dir_create NAME": "dir_create adopted",
            "--dir DIR": "--dir runnable_dirs/services-base",
        }
        shown = {str(self.root): "/home/ana/repo", str(home): "/home/ana", f"{self.prefix}-": ""}
        begin = "source dev_scripts/setenv.sh >/dev/null || exit" if registry else ":"
        self.shell = DocShell(home, self.root, begin, typed, shown)
        forecast = self.add("runnable_dirs/forecast", _TESTS, image="forecast")
        for name, text in _CODE.items():
            (forecast / name).parent.mkdir(exist_ok=True)
            (forecast / name).write_text(text)
        (forecast / "changelog.txt").write_text(f"# {self.prefix}-forecast-1.1.0\n- 2026-11-20\n- first\n")
        self.add("runnable_dirs/base", _PASSES, image="base")
        self.add("infra", _PASSES, image="infra")
        services = self.add("runnable_dirs/services-base", _PASSES, image="services-base") / "pyproject.toml"
        services.write_text(services.read_text().replace("archive:bookworm", "dir:../base"))
        (self.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{self.registry}/team"\n')
        (self.root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
        fleet.remote("shared")
        fleet.remote("one", libs__shared="shared")
        for name in ("lib", "tool"):
            fleet.remote(name)
            self.add(f"../work of {name}", _PASSES, image=name)
            fleet.push(name)
        for path, name in {"lib": "lib", "libs/tool": "tool", "apps/one": "one"}.items():
            self.git("submodule", "--quiet", "add", str(fleet.remotes / f"{name}.git"), path)
        self.git("submodule", "--quiet", "update", "--init", "--recursive")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "first")
        self.git("tag", "v1.2")
        for name in ("top", "forecast"):
            self.git("init", "--quiet", "--bare", "--initial-branch", "main", str(fleet.remotes / f"{name}.git"))
        self.git("remote", "add", "origin", str(fleet.remotes / "top.git"))
        self.git("push", "--quiet", "--set-upstream", "origin", "main", "v1.2")
        self.git("subtree", "split", "-q", "-P", "helpers", "-b", "helpers")
        self.git("push", "--quiet", "origin", "helpers")

    def reset(self) -> None:
        """Take back all that commands changed in the checkout."""
        self.git("checkout", "--quiet", "--force", "main")
        self.git("reset", "--quiet", "--hard", "v1.2")
        self.git("clean", "-ffdq")
        for hook in (self.root / ".git" / "hooks").glob("*"):
            hook.unlink()
        self.git("submodule", "--quiet", "update", "--init", "--recursive", "--force")

    def forget(self) -> None:
        """Remove what the thin environment remembers of this checkout."""
        (Path(cache_path()) / "checkouts" / str(self.root).replace("/", "%")).unlink(missing_ok=True)
