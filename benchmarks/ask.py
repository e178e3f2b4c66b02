"""Asks the toolchain itself what it would do; the programs beside it run this with the thin environment's Python.

usage: python3 ask.py docker_run DIR | buildx DIR TARGET NAME | gather DIR TARGET | sizes DIR TARGET
       python3 ask.py keep_verdicts RESULT

The checkout that is asked is the current directory, and first on PYTHONPATH. Every answer is one line of JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from helpers import config, discover
from helpers.containers import shell
from helpers.driver import plan
from helpers.driver.verdict import Status, Verdict
from helpers.driver.verdict_cache import VerdictCache
from helpers.engine import argv, client, context
from helpers.engine.docker import DockerEngine
from helpers.engine.seam import BuildContext, Control, Layout
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.images import build, layers, layout, recipe
from helpers.model.stage import Stage


def docker_run(directory: str) -> None:
    """Print the very `docker run` that `invoke docker_cmd -- true` becomes in a directory."""

    def show(spec: RunSpec) -> None:
        files = client.account_files(spec.user)
        print(json.dumps(argv.run(spec, account_files=files, remove=True)))

    setattr(client, "become", show)  # noqa: B010  (a process that is replaced could print nothing)
    shell.command(directory, "true", Stage.LOCAL.value)


def buildx(directory: str, target: str, name: str) -> None:
    """Gather what the image of a directory is built from, and print the command that builds it as `name`."""
    chain = _chain(directory)
    top = replace(chain[-1], reference=name, tags=())
    with context.build_context(top, build.ingredients(chain, chain[-2].reference)) as ready:
        print(json.dumps(argv.build(top, _kept(ready, Path(target)))))


def gather(directory: str, target: str) -> None:
    """Gather what the image of a directory is built from, and print what the builder must be told."""
    chain = _chain(directory)
    with context.build_context(chain[-1], build.ingredients(chain, chain[-2].reference)) as ready:
        kept = _kept(ready, Path(target))
        assert ready.tools
        shutil.copytree(ready.tools, Path(target) / "tools")
    secrets = {name: str(path) for name, path in kept.secrets.items()}
    labels = dict(chain[-1].labels)
    print(json.dumps({"target": kept.target, "args": dict(kept.arguments), "labels": labels, "secrets": secrets}))


def sizes(directory: str, target: str) -> None:
    """Build an image for `prod` and for `dev` as OCI layouts below `target`, and print what is in them."""
    engine, found = DockerEngine(), {}
    for name, stage in (("prod", Stage.PROD), ("dev", Stage.LOCAL)):
        chain = _chain(directory, stage)
        build.ensure(engine, chain[:-1], Control())
        files = Path(target) / name
        made = build.ingredients(chain, chain[-2].reference)
        engine.build_layout(chain[-1], made, Layout(files, 0), files.with_suffix(".log"), Control())
        (inside,) = layers.contents(files, layout.top(files))
        found[name] = {
            "compressed, MB": sum(layer.size for layer in inside.layers) / 1e6,
            "unpacked, MB": sum(file.size for file in inside.files.values()) / 1e6,
            "files": sum(file.is_file for file in inside.files.values()),
            "Python packages": len(inside.distributions),
        }
    print(json.dumps(found))


def keep_verdicts(result: str) -> None:
    """Keep, on all directories of the checkout, the verdict of one that was tested; print how many.

    Arguments:
        result: what the JSON result of that run says of it.
    """
    ran, root = json.loads(result), Path.cwd()
    every = discover.runnable_paths(root)
    dirs = plan.make(root, every, every, "fast").dirs
    kept = VerdictCache(root, "fast", [])
    kept.find(dirs)
    one = Verdict("", Status.PASS, 0, "", {"passed": ran["passed"]}, ran["seconds"], ran["image"])
    verdicts = [replace(one, name=item.name) for item in dirs]
    with tempfile.TemporaryDirectory() as empty:
        kept.keep(dirs, verdicts, dict.fromkeys((item.name for item in dirs), Path(empty)))
    print(json.dumps(len(kept.find(dirs))))


def _chain(directory: str, stage: Stage = Stage.LOCAL) -> list[ImageSpec]:
    load = config.loader(Path.cwd())
    return recipe.image_chain(load(Path(directory)), load, stage)


def _kept(ready: BuildContext, target: Path) -> BuildContext:
    """Return a copy of a build context below `target`: the context itself is gone afterwards."""
    shutil.copytree(ready.directory, target / "context")
    secrets = {name: Path(shutil.copy(path, target / name)) for name, path in ready.secrets.items()}
    dockerfile = Path(shutil.copy(ready.dockerfile, target / "Dockerfile"))
    return replace(ready, directory=target / "context", dockerfile=dockerfile, secrets=secrets)


QUESTIONS: dict[str, Callable[..., Any]] = {
    "docker_run": docker_run,
    "buildx": buildx,
    "gather": gather,
    "sizes": sizes,
    "keep_verdicts": keep_verdicts,
}

if __name__ == "__main__":
    QUESTIONS[sys.argv[1]](*sys.argv[2:])
