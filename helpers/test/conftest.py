"""Fixtures of the live tests: a scratch repo with real git, run by the real driver on the live engine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from helpers.test import scratch_images

# Where these tests run in a container of ours, what they start must not take itself to be in one.
os.environ.pop("HELPERS_INSIDE", None)
# And by this it would find the helpers that is tested in place of the one of its own checkout.
os.environ.pop("PYTHONPATH", None)

ROOT = Path(__file__).resolve().parents[2]
# Its lock holds pytest and nothing else, for every Python that an archive base has.
_LOCKED = Path(__file__).parent / "data" / "pytest_only"


def start(argv: list[str], cwd: Path, **env: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own, as a terminal or a CI service does."""
    return subprocess.Popen(
        argv,
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


@cache
def thin_env() -> Path:
    """Return the thin environment, as a user's shell finds it after `setenv.sh`."""
    script = ROOT / "helpers" / "thin_env" / "bootstrap.py"
    return Path(
        subprocess.run([sys.executable, script], check=True, capture_output=True, encoding="utf-8").stdout.strip()
    )


def docker(*arguments: str) -> str:
    """Return what the docker client prints."""
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, encoding="utf-8").stdout


def until(condition: Callable[[], object], seconds: float) -> float:
    """Wait until `condition` holds and return how long that took; fail after `seconds`."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - begin


def open_files() -> Counter[str]:
    """Return what this process holds open; `after - before` is what was opened, whatever was closed meanwhile."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # that of the list itself
            found[os.readlink(f"/proc/self/fd/{number}")] += 1
    return found


def docker_images(*filters: str) -> list[str]:
    """Return the names of the engine's images; tried again when one of them is removed while the list is made."""
    command = ["image", "ls", *filters, "--format", "{{.Repository}}:{{.Tag}}"]
    for _ in range(5):
        try:
            return docker(*command).splitlines()
        except subprocess.CalledProcessError:
            time.sleep(0.2)
    return docker(*command).splitlines()


@contextmanager
def images_removed(*names: str) -> Iterator[None]:
    """Remove the tags of repositories that are made meanwhile; for commands that name images by themselves."""
    before = set(docker_images())
    yield
    made = [tag for tag in set(docker_images()) - before if tag.partition(":")[0] in names]
    if made:
        docker("image", "rm", "--force", *made)


# Modules that take minutes, the longest first: begun last, the only one that is left would keep all workers waiting.
LONGEST = (
    *(
        "test_live_publishing",
        "test_live_release",
        "test_live_release_kills",
        "test_live_how_to",
        "test_live_shell",
        "test_live_services",
    ),
    *("test_live_release_faults", "test_live_verdicts", "test_live_system_lock", "test_live_super_repo"),
    *("test_live_extending", "test_live_driver_kills", "test_repo_kills", "test_live_signals", "test_live_bases"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest; the order within a module stays (`--no-loadscope-reorder` obeys it)."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_sessionfinish() -> None:
    """Remove the images of all scratch repos."""
    scratch_images.remove(docker_images)


class Result:
    """How a run of the driver ended: its exit code, its JSON report, and what it printed."""

    def __init__(self, code: int, stdout: str, stderr: str, report: dict[str, Any]) -> None:
        self.code = code
        self.stdout = stdout
        self.stderr = stderr
        self.report = report
        self.verdicts = {item["directory"]: item for item in report.get("directories", [])}

    def of(self, name: str) -> tuple[str, int]:
        """Return the verdict on a directory and its exit code."""
        return self.verdicts[name]["verdict"], self.verdicts[name]["exit_code"]


def _not_copied(directory: str, names: list[str]) -> set[str]:
    """Leave out our own tests; those of a template are files like others."""
    return {"__pycache__", "test"} if Path(directory) == ROOT / "helpers" else {"__pycache__"}


class Scratch:
    """A real git repo with the toolchain in it, and runnable dirs made for one test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Images of one test are not those of another, nor of a run before.
        self.prefix = f"helpers-test-{secrets.token_hex(4)}"
        root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(ROOT / "helpers", root / "helpers", ignore=_not_copied)
        for name in ("main_pytest.py", "tasks.py", "invoke.yaml"):
            shutil.copy2(ROOT / name, root / name)
        (root / "dev_scripts").mkdir()
        shutil.copy2(ROOT / "dev_scripts" / "setenv.sh", root / "dev_scripts" / "setenv.sh")
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run git in the repo as a user who has an identity."""
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=cwd or self.root, check=True, capture_output=True, encoding="utf-8"
        )
        return done.stdout

    def add(self, name: str, test: str, *, image: str = "scratch", settings: str = "", lock: bool = True) -> Path:
        """Make a runnable dir with one test file and return its path."""
        path = self.root / name
        (path / "devops").mkdir(parents=True)
        (path / "devops" / ".gitkeep").touch()
        (path / "test").mkdir()
        (path / "changelog.txt").write_text(f"# {self.prefix}-{image}-0.1.0\n- 2026-11-20\n- first\n")
        project = (_LOCKED / "project.toml").read_text()
        (path / "pyproject.toml").write_text(project + textwrap.dedent(settings))
        if lock:
            shutil.copy2(_LOCKED / "poetry.lock", path / "poetry.lock")
        (path / "test" / "test_it.py").write_text(textwrap.dedent(test))
        return path

    def driver(self, *arguments: str, json_file: Path | None = None) -> list[str]:
        """Return the command that runs the driver in the repo."""
        # What is looked at here is how tests run; a test of kept verdicts says so.
        kept = [] if "--cached" in arguments else ["--no-cache"]
        report = ["--json", str(json_file)] if json_file else []
        rest = [argument for argument in arguments if argument != "--cached"]
        return [sys.executable, str(self.root / "main_pytest.py"), *kept, *report, *rest]

    def run(self, *arguments: str, cwd: Path | None = None, **env: str) -> Result:
        """Run the driver to its end."""
        file = self.root.parent / "report.json"
        file.unlink(missing_ok=True)
        process = start(self.driver(*arguments, json_file=file), cwd or self.root, **env)
        stdout, stderr = process.communicate(timeout=300)
        report = json.loads(file.read_text()) if file.exists() else {}
        return Result(process.returncode, stdout, stderr, report)

    def invoke(self, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run an invoke task in the repo."""
        invoke = thin_env() / "bin" / "invoke"
        return subprocess.run(
            [str(invoke), *arguments],
            cwd=cwd or self.root,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=1200,
            check=False,
        )

    def containers(self) -> list[str]:
        """Return the names of this repo's containers, running or not."""
        return docker(
            "ps", "--all", "--filter", f"label=helpers.root={self.root}", "--format", "{{.Names}}"
        ).splitlines()

    def leftovers(self) -> list[str]:
        """Return the names of this repo's containers, networks and volumes."""
        ours = ["--filter", f"label=helpers.root={self.root}", "--format", "{{.Name}}"]
        return [
            *self.containers(),
            *(name for kind in ("network", "volume") for name in docker(kind, "ls", *ours).split()),
        ]


@contextmanager
def scratch_repo(root: Path) -> Iterator[Scratch]:
    """Yield a scratch repo at `root`; none of its containers and networks may be left when it is over.

    Its images are removed at the end of the session.
    """
    repo = Scratch(root)
    yield repo
    left = repo.leftovers()
    for kind in ("container", "network", "volume"):
        # One that has gone meanwhile, and what is of another kind, is no matter here.
        for name in left:
            subprocess.run(["docker", kind, "rm", "--force", name], capture_output=True, check=False)
    scratch_images.over.append(repo.prefix)
    assert left == [], "the test left something behind"


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    """A scratch repo for one test."""
    with scratch_repo(tmp_path / "repo") as repo:
        yield repo


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A directory that every user may pass through, whatever other runs of pytest do to theirs meanwhile."""
    # Not where TMPDIR says: in a run of ours that is closed to others (https://refspecs.linuxfoundation.org/FHS_3.0).
    path = Path(tempfile.mkdtemp(prefix="helpers-test-", dir="/tmp")).resolve()
    yield path

    def removed() -> bool:
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()

    # Who looks after what a driver leaves at its death has a cache there, for some seconds more.
    until(removed, 20)
