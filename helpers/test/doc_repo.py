"""The repo in which the commands of the documentation run: a super-repo with helpers, examples and submodules."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers.test import doc_blocks, doc_table
from helpers.test.conftest import Scratch
from helpers.test.doc_blocks import Block, Step
from helpers.test.fleet import Fleet, environment
from helpers.thin_env import cache_path

_MARK = "@@ step"
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
        self._begin = "source dev_scripts/setenv.sh >/dev/null || exit" if registry else ":"
        self._folder = home / "blocks"
        fleet = Fleet(home)
        super().__init__(home / "repo")
        self.env = {**os.environ, **environment(home), "HOME": str(home), "HELPERS_CACHE": cache_path()}
        self.env |= {"HELPERS_PYTHON": sys.executable, "EDITOR": "true", "GIT_EDITOR": "true"}
        self.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        forecast = self.add("runnable_dirs/forecast", _TESTS, image="forecast")
        for name, text in _CODE.items():
            (forecast / name).parent.mkdir(exist_ok=True)
            (forecast / name).write_text(text)
        (forecast / "changelog.txt").write_text(f"# {self.prefix}-forecast-1.1.0\n- 2026-11-20\n- first\n")
        self.add("runnable_dirs/base", _PASSES, image="base")
        self.add("infra", _PASSES, image="infra")
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

    def _typed(self, text: str) -> str:
        """Return a command with the names of this repo in place of the examples of a page."""
        remotes = self.home / "remotes"
        places = {"git@HOST:team/forecast.git": f"{remotes}/forecast.git", "127.0.0.1:5000": self.registry}
        places |= {" URL": f" '{remotes}/top.git'", "/forecast:": f"/{self.prefix}-forecast:"}
        places |= {"REGISTRY/NAME:": f"{self.registry}/team/{self.prefix}-forecast:"}
        places |= {"--dir DIR": "--dir runnable_dirs/forecast"}
        for name, value in places.items():
            text = text.replace(name, value)
        return text

    def _shown(self, text: str) -> str:
        """Return an output with the names of a page in place of those of this repo."""
        for name, value in {
            f"{self.root}": "/home/ana/repo",
            f"{self.home}": "/home/ana",
            f"{self.prefix}-": "",
        }.items():
            text = text.replace(name, value)
        return text

    def forget(self) -> None:
        """Remove what the thin environment remembers of this checkout."""
        (Path(cache_path()) / "checkouts" / str(self.root).replace("/", "%")).unlink(missing_ok=True)

    def faults(self, page: str, section: str = "", **env: str) -> list[str]:
        """Run the commands of a section, or of a whole page, in one bash; return the wrong exit codes and outputs.

        Settings and code of the section are files `$BLOCKS/NUMBER`, counted from 1.

        Arguments:
            page: path of the page in the repo.
            section: its title; empty for the whole page.
            env: more variables.
        """
        blocks = [block for block in doc_blocks.read(page) if section in ("", block.section)]
        steps = self._steps(blocks)
        lines = ["exec 2>&1", self._begin]
        for number, step in enumerate(steps):
            lines += [self._typed(step.command), f"printf '\\n{_MARK} {number} %s\\n' $?"]
        printed = subprocess.run(
            ["bash", "--norc", "-c", "\n".join(lines)],
            cwd=self.root,
            env={**self.env, "BLOCKS": str(self._folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=900,
        ).stdout
        return [fault for number, step in enumerate(steps) for fault in self._judged(page, number, step, printed)]

    def _steps(self, blocks: list[Block]) -> list[Step]:
        self._folder.mkdir(exist_ok=True)
        steps: list[Step] = []
        for number, block in enumerate(blocks, start=1):
            (self._folder / str(number)).write_text(block.text)
            name = doc_table.short(block.page)
            if prepare := doc_table.BEFORE.get((name, block.first)):
                steps.append(Step(f"set -e; {prepare}; set +e"))
            if (name, block.first) not in doc_table.BLOCKS_NOT_RUN:
                steps += [step for step in block.steps() if (name, step.command) not in doc_table.NOT_RUN]
        return steps

    def _judged(self, page: str, number: int, step: Step, printed: str) -> Iterator[str]:
        begin = printed.partition(f"\n{_MARK} {number - 1} ")[2].partition("\n")[2] if number else printed
        text, mark, rest = begin.partition(f"\n{_MARK} {number} ")
        text, expected = self._shown(text), doc_table.CODES.get((doc_table.short(page), step.command), 0)
        code = rest.partition("\n")[0]
        if not mark or code != str(expected):
            yield f"{page}: {step.command}: exit code {code}, not {expected}\n{text}"
        elif step.output is not None and (why := doc_blocks.difference(step.output, text)):
            yield f"{page}: {step.command}: {why}"
