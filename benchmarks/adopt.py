#!/usr/bin/env python3
"""What it takes from `git init` to the first green test in a container, in a new super-repo, as its user would type it.

usage: python3 benchmarks/adopt.py [--engine docker|venv]

It publishes the committed helpers of this checkout as a branch of a scratch repo. It prints each command with its
seconds and how many files it added. Exit code 1 when a command fails or `init` adds more files than its limit.

With docker the same follows by other means: a Dockerfile written by hand, and, where `devcontainer` is on PATH
(@devcontainers/cli), a dev container of it. Both get the same base, requirements, installer and first test.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from build import UV
from scratch import ask, remove_images
from startup import thin_environment
from timing import machine

ROOT = Path(__file__).resolve().parents[1]
# Besides the submodule and the first runnable dir.
LIMIT = 8
FIRST = "runnable_dirs/hello"
PREFIX = f"helpers-benchmark-{os.getpid()}"


def files(repo: Path) -> set[str]:
    """Return the files of the repo, without those of git, of the submodule and what git ignores."""
    told = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(told, cwd=repo, check=True, capture_output=True, encoding="utf-8").stdout
    return set(listed.splitlines()) - {"helpers", ".gitmodules"}


def main() -> int:
    """Type the commands, print what each one took, and return 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=("docker", "venv"), default="docker", help="what runs the tests")
    engine = parser.parse_args().engine
    with tempfile.TemporaryDirectory() as name:
        published, repo = Path(name) / "published", Path(name) / "forecasts"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(published)], check=True)
        # No step of a build is remembered from an earlier run, for none of the ways.
        with (published / "helpers" / "engine" / "recipe" / "install-python-packages.sh").open("a") as script:
            script.write(f"# {time.time_ns()}\n")
        author = ["-c", "user.name=benchmark", "-c", "user.email=benchmark@example.invalid"]
        subprocess.run(["git", *author, "commit", "--quiet", "--all", "--message", "new"], cwd=published, check=True)
        split = ["git", "subtree", "split", "-q", "-P", "helpers", "-b", "helpers"]
        subprocess.run(split, cwd=published, check=True, capture_output=True)
        local = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
        repo.mkdir()
        print(f"benchmarks/adopt.py: from `git init` to a green test, engine {engine}; {machine()}\n")
        env = {**os.environ, **local}
        typed = ours(published, engine)
        begun = typed.run(repo, env)
        well = begun and not typed.too_many(repo)
        if well and engine == "docker":
            try:
                well = all(way.run(way.write(Path(name)), env) for way in others(repo, Path(name)))
            finally:
                remove_dev_container(Path(name) / "dev-container")
        return int(not well)


def remove_dev_container(repo: Path) -> None:
    """Remove the container that the dev container's tool left running for `repo`, and its image."""
    label = f"label=devcontainer.local_folder={repo}"
    found = ["docker", "ps", "--all", "--filter", label, "--format", "{{.ID}} {{.Image}}"]
    for line in subprocess.run(found, check=True, capture_output=True, encoding="utf-8").stdout.splitlines():
        container, image = line.split()
        for command in (["rm", "--force", container], ["image", "rm", "--force", image]):
            subprocess.run(["docker", *command], check=True, capture_output=True)


@dataclass(frozen=True)
class Way:
    """A way from `git init` to a test in a container.

    Arguments:
        name: what it is called.
        commands: what its user types; of each how it is shown, and all its words.
        files: what its user writes first, by path.
    """

    name: str
    commands: Sequence[tuple[str, Sequence[str]]]
    files: Mapping[str, str]

    def write(self, directory: Path) -> Path:
        """Make its repo below `directory`, with the files that its user writes, and return it."""
        repo = directory / self.name.replace(" ", "-")
        for path, text in self.files.items():
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            (repo / path).write_text(text)
        return repo

    def run(self, repo: Path, env: Mapping[str, str]) -> bool:
        """Type the commands in `repo`, print what each one took, and say whether all went well."""
        whole, before = 0.0, set(self.files)
        for shown, command in self.commands:
            begin = time.perf_counter()
            done = subprocess.run(command, cwd=repo, env=env, capture_output=True, encoding="utf-8")
            seconds = time.perf_counter() - begin
            if done.returncode:
                print(f"{shown} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
                return False
            whole, after = whole + seconds, files(repo)
            print(f"{seconds:6.1f} s  {len(after - before):2} files  {shown}")
            before = after
        print(f"\n{self.name}: {len(self.commands)} commands, {whole:.1f} s, {len(self.files)} files written by hand")
        print(f"{done.stdout.splitlines()[-1]}\n", flush=True)
        return True

    def too_many(self, repo: Path) -> bool:
        """Print which files are there besides the submodule and the first runnable dir; say if they are too many."""
        own = sorted(path for path in files(repo) if not path.startswith(f"{FIRST}/"))
        print(f"{len(own)} files besides the submodule and {FIRST}: {', '.join(own)}\n", flush=True)
        return len(own) > LIMIT


def ours(published: Path, engine: str) -> Way:
    """Return our own way."""
    lines = (
        "git init --quiet",
        "git submodule --quiet add -b helpers URL helpers",
        f"python3 helpers/thin_env/bootstrap.py init --name {FIRST}",
        f"./main_pytest.py --engine {engine}",
    )
    return Way("helpers", [(line, line.replace("URL", str(published)).split()) for line in lines], {})


def others(repo: Path, directory: Path) -> list[Way]:
    """Return the other ways, for what the runnable dir of the super-repo `repo` is made of."""
    gathered = directory / "gathered"
    gathered.mkdir()
    told: dict[str, Any] = ask("gather", repo, thin_environment() / "bin" / "python", repo / FIRST, gathered)
    flags = [f"--build-context=tools={gathered / 'tools'}", f"--build-arg=BASE={told['args']['BASE']}"]
    flags += [f"--secret=id={key},src={file}" for key, file in told["secrets"].items()]
    pins = (gathered / "context" / "requirements.txt").read_text()

    def written(**more: str) -> dict[str, str]:
        test = {"test_hello.py": "def test_it():\n    assert True\n"}
        return {"Dockerfile": UV, "requirements.txt": f"{pins}# {time.time_ns()}\n", **test, **more}

    image = f"{PREFIX}-hand"
    pytest = ["pytest", "-p", "no:cacheprovider"]
    built = ["docker", "build", "--quiet", *flags, "--tag", image, "."]
    run = ["docker", "run", "--rm", "--volume", ".:/work", "--workdir", "/work", image, *pytest]
    init = ("git init --quiet", ["git", "init", "--quiet"])
    tested = ("docker run --rm --volume .:/work --workdir /work hand pytest", run)
    ways = [Way("by hand", [init, ("docker build --tag hand .", built), tested], written())]
    if shutil.which("devcontainer"):
        about = {"build": {"dockerfile": "../Dockerfile", "context": "..", "options": flags}, "runArgs": ["--rm"]}
        up = ["devcontainer", "up", "--workspace-folder", "."]
        tested = ("devcontainer exec --workspace-folder . pytest", ["devcontainer", "exec", *up[2:], *pytest])
        commands = [init, (" ".join(up), up), tested]
        ways.append(Way("dev container", commands, written(**{".devcontainer/devcontainer.json": json.dumps(about)})))
    return ways


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        remove_images(PREFIX)
