"""Siblings on the live engines: projects that a lock names by their paths are mounted, installed and retested."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from helpers.engine.tools import uv
from helpers.test.conftest import Scratch, docker
from helpers.test.registry_fixtures import docker_registry

pytestmark = pytest.mark.engine

LIBRARY = """\
[build-system]
requires = {requires}
build-backend = "{backend}"

[project]
name = "{name}"
version = "1.4.0"
requires-python = ">=3.9"
dependencies = [{needs}]
scripts = {{{name}-say = "{name}:say"}}
"""
POETRY_LIBRARY = """\
[build-system]
requires = ["poetry-core>=2"]
build-backend = "poetry.core.masonry.api"

[tool.poetry]
name = "common"
version = "1.4.0"
description = ""
authors = []
packages = [{ include = "common", from = "src" }]

[tool.poetry.dependencies]
python = ">=3.9"
lowest = { path = "../lowest", develop = true }

[tool.poetry.scripts]
common-say = "common:say"
"""
CODE = "import six\n\nANSWER = 42\n\ndef say():\n    print('said')\n"
TEST = """
import importlib.metadata as metadata, os, subprocess, sys
import common, lowest, six

def test_siblings_are_installed_and_their_modules_are_those_of_the_checkout():
    for module in (common, lowest):
        name = module.__name__
        assert metadata.version(name) == "1.4.0"
        assert module.__file__ == os.path.realpath(f"../libs/{name}/src/{name}/__init__.py")
        assert module.ANSWER == 42
        command = os.path.join(sys.prefix, "bin", f"{name}-say")
        assert subprocess.run([command], capture_output=True, text=True, check=True).stdout == "said\\n"
"""
APP = """\
[project]
name = "app"
version = "1"
requires-python = ">=3.11,<3.14"
dependencies = ["common"]

[dependency-groups]
test = ["pytest>=9,<10"]
"""
SETTINGS = '\n[tool.helpers]\nbase = "archive:bookworm"\n'
POETRY = '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\ncommon = { path = "../libs/common" }\n'
UV_PATHS = """
[tool.uv]
package = false
[tool.uv.sources]
common = { path = "../libs/common", editable = true }
"""
UV_WORKSPACE = "[tool.uv]\npackage = false\n[tool.uv.sources]\ncommon = { workspace = true }\n"
HATCH = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.metadata]
allow-direct-references = true
"""


def add_libraries(scratch: Scratch, common: str = "") -> Path:
    """Add `libs/common`, which needs `libs/lowest`, which needs six; return `libs`.

    Arguments:
        scratch: the repo.
        common: the manifest of `common`; empty is a manifest of poetry.
    """
    hatch = {"backend": "hatchling.build", "requires": '["hatchling"]'}
    manifests = {"common": common or POETRY_LIBRARY, "lowest": LIBRARY.format(name="lowest", needs='"six"', **hatch)}
    for name, manifest in manifests.items():
        path = scratch.root / "libs" / name
        (path / "src" / name).mkdir(parents=True)
        (path / "pyproject.toml").write_text(manifest)
        (path / "src" / name / "__init__.py").write_text(CODE)
    return scratch.root / "libs"


def add_app(scratch: Scratch, manifest: str, test: str = TEST) -> Path:
    """Add the runnable dir `app` without a lock."""
    path = scratch.add("app", test, image="app", lock=False)
    (path / "pyproject.toml").write_text(manifest)
    return path


def locked(scratch: Scratch) -> None:
    """Lock `app` by helpers, and commit all."""
    done = scratch.invoke("docker_lock", "--dir", "app")
    assert done.returncode == 0, done.stderr
    commit(scratch)


def commit(scratch: Scratch) -> None:
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "all")


def run_uv(path: Path, words: Iterable[str]) -> None:
    subprocess.run([str(uv()), *words], cwd=path, env=os.environ, check=True, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_sibling_of_a_poetry_lock_is_installed_and_its_edits_count(scratch: Scratch, engine: str) -> None:
    libs = add_libraries(scratch)
    app = add_app(scratch, APP + POETRY + SETTINGS)
    locked(scratch)
    result = scratch.run("--engine", engine)
    assert result.of("app") == ("PASS", 0), result.stdout + result.stderr
    assert scratch.git("status", "--porcelain", "--ignored", "--", "libs") == ""
    (libs / "lowest/src/lowest/__init__.py").write_text(CODE.replace("42", "43"))
    edited = scratch.run("--engine", engine)
    assert edited.of("app") == ("FAIL", 1) and "building" not in edited.stderr
    (app / "test/test_it.py").write_text("import lowest\n\ndef test_it():\n    assert lowest.ANSWER == 43\n")
    assert scratch.run("--engine", engine).of("app") == ("PASS", 0)


def test_verdict_is_kept_until_a_sibling_changes_and_its_metadata_gives_another_image(scratch: Scratch) -> None:
    libs = add_libraries(scratch)
    add_app(scratch, APP + POETRY + SETTINGS)
    locked(scratch)
    first = scratch.run("--engine", "docker", "--cached")
    assert first.of("app") == ("PASS", 0), first.stdout + first.stderr
    assert scratch.run("--engine", "docker", "--cached").verdicts["app"]["why"] == "cached"
    assert scratch.run("--engine", "docker", "--affected", "HEAD").code == 5
    module = libs / "lowest/src/lowest/__init__.py"
    module.write_text(f"{CODE}# more\n")
    again = scratch.run("--engine", "docker", "--cached", "--affected", "HEAD")
    assert again.of("app") == ("PASS", 0), again.stdout + again.stderr
    assert again.verdicts["app"]["why"] == "" and again.verdicts["app"]["image"] == first.verdicts["app"]["image"]
    manifest = libs / "lowest/pyproject.toml"
    manifest.write_text(manifest.read_text().replace("1.4.0", "1.5.0"))
    renamed = scratch.run("--engine", "docker", "--cached", "--affected", "HEAD")
    assert renamed.of("app") == ("FAIL", 1) and "building app" in renamed.stderr


@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_sibling_of_an_adopted_project_is_named_by_a_url_of_hatch(scratch: Scratch, engine: str) -> None:
    needs = '"lowest @ file:../lowest"'
    add_libraries(
        scratch,
        LIBRARY.format(name="common", needs=needs, backend="setuptools.build_meta", requires='["setuptools>=77"]'),
    )
    direct = APP.replace('"common"', '"common @ {root:parent:uri}/libs/common"')
    app = add_app(scratch, direct + HATCH + '[tool.hatch.build.targets.wheel]\npackages = ["app"]\n')
    (app / "app").mkdir()
    (app / "app/__init__.py").write_text("import common\n")
    (app / "devops/helpers.toml").write_text('base = "archive:bookworm"\n')
    locked(scratch)
    result = scratch.run("--engine", engine)
    assert result.of("app") == ("PASS", 0), result.stdout + result.stderr
    if engine == "docker":
        # `uv pip check` reads all metadata, and a requirement with a relative path is no requirement.
        done = scratch.invoke("docker_build", "--stage", "prod", "--dir", "app")
        assert done.returncode == 0, done.stderr
        code = "from importlib.metadata import requires; print(requires('common'))"
        shown = docker("run", "--rm", "--entrypoint", "python", done.stdout.split()[0], "-c", code)
        assert shown == "['lowest']\n"


def test_url_with_a_relative_path_that_poetry_does_not_read_is_refused_with_the_form_to_write(scratch: Scratch) -> None:
    add_libraries(scratch)
    add_app(scratch, APP.replace('"common"', '"common @ file:../libs/common"') + POETRY.partition("[tool.poetry.d")[0])
    done = scratch.invoke("docker_lock", "--dir", "app")
    assert done.returncode == 2, done.stderr
    assert 'NAME = { path = "../libs/common", develop = true }' in done.stderr


@pytest.mark.parametrize("form", ["paths", "workspace", "pylock"])
def test_sibling_of_a_lock_of_uv_is_installed(scratch: Scratch, form: str) -> None:
    common = LIBRARY.format(name="common", needs='"lowest"', backend="hatchling.build", requires='["hatchling"]')
    libs = add_libraries(scratch, common + "[tool.uv.sources]\nlowest = { path = '../lowest', editable = true }\n")
    add_app(scratch, APP + (UV_WORKSPACE if form == "workspace" else UV_PATHS) + SETTINGS)
    lock = ""
    if form == "workspace":
        file = libs / "common/pyproject.toml"
        file.write_text(common + "[tool.uv.sources]\nlowest = { workspace = true }\n")
        root = '[project]\nname = "root"\nversion = "0"\nrequires-python = ">=3.11"\n[tool.uv]\npackage = false\n'
        members = '[tool.uv.workspace]\nmembers = ["app", "libs/*"]\n'
        (scratch.root / "pyproject.toml").write_text(root + members)
        lock = 'lock = "../uv.lock"\n'
    file = scratch.root / "app/pyproject.toml"
    file.write_text(file.read_text() + lock)
    run_uv(scratch.root / "app", ["lock"])
    if form == "pylock":
        run_uv(scratch.root / "app", ["export", "--format", "pylock.toml", "--all-groups", "-o", "pylock.toml"])
        (scratch.root / "app/uv.lock").unlink()
    commit(scratch)
    result = scratch.run("--engine", "docker", "--dir", "app")
    assert result.of("app") == ("PASS", 0), result.stdout + result.stderr


def test_code_of_a_used_base_imports_the_siblings_of_that_base(scratch: Scratch) -> None:
    libs = add_libraries(scratch)
    app = add_app(scratch, APP + POETRY + SETTINGS)
    (app / "app").mkdir()
    (app / "app/__init__.py").write_text("import common\n")
    test = "from importlib import metadata\nimport app, lowest\n\ndef test_it():\n    assert lowest.ANSWER == 42\n"
    test += "    assert metadata.version('common') == '1.4.0'\n"
    top = scratch.add("top", test, image="top", settings='uses = ["../app"]\n')
    file = top / "pyproject.toml"
    file.write_text(file.read_text().replace("archive:bookworm", "dir:../app"))
    locked(scratch)
    done = scratch.invoke("docker_lock", "--dir", "top")
    assert done.returncode == 0, done.stderr
    result = scratch.run("--engine", "docker", "--cached", "--dir", "top", "--only-this")
    assert result.of("top") == ("PASS", 0), result.stdout + result.stderr
    (libs / "lowest/src/lowest/__init__.py").write_text(CODE.replace("42", "43"))
    assert scratch.run("--engine", "docker", "--cached", "--dir", "top", "--only-this").of("top") == ("FAIL", 1)


def test_prod_image_holds_the_wheels_of_siblings(scratch: Scratch) -> None:
    add_libraries(scratch)
    app = add_app(scratch, APP + POETRY + SETTINGS)
    (app / "app").mkdir()
    (app / "app/__init__.py").write_text("import common, lowest\n")
    locked(scratch)
    done = scratch.invoke("docker_build", "--stage", "prod", "--dir", "app")
    assert done.returncode == 0, done.stderr
    code = "import app, common, lowest; print(app.__file__, common.__file__, lowest.__file__, lowest.ANSWER)"
    image = done.stdout.split()[0]
    shown = docker("run", "--rm", "--entrypoint", "python", image, "-c", code).split()
    assert shown[0].startswith("/app/") and all("/site-packages/" in path for path in shown[1:3]) and shown[3] == "42"
    assert "/libs/" not in docker("run", "--rm", "--entrypoint", "find", image, "/opt", "/app")


IN_PROD = """
import os
import common, fake, lowest

def test_siblings_are_those_of_the_image_and_test_siblings_those_of_the_checkout():
    is_prod = not os.path.exists("changelog.txt")
    assert all(("/site-packages/" in module.__file__) is is_prod for module in (common, lowest))
    assert "/libs/fake/" in fake.__file__
"""


@pytest.mark.parametrize("is_project", [True, False])
def test_release_tests_the_wheels_of_siblings(scratch: Scratch, tmp_path: Path, is_project: bool) -> None:
    libs = add_libraries(scratch)
    hatch = {"backend": "hatchling.build", "requires": '["hatchling"]'}
    (libs / "fake/src/fake").mkdir(parents=True)
    (libs / "fake/pyproject.toml").write_text(LIBRARY.format(name="fake", needs="", **hatch))
    (libs / "fake/src/fake/__init__.py").write_text("")
    group = '[tool.poetry.group.test.dependencies]\nfake = { path = "../libs/fake" }\n'
    build = HATCH.partition("[tool.")[0] if is_project else ""
    app = add_app(scratch, build + APP.replace('["pytest', '["fake", "pytest') + POETRY + group + SETTINGS, IN_PROD)
    (app / "app").mkdir()
    (app / "app/__init__.py").write_text("import common, lowest\n")
    with docker_registry(tmp_path) as host:
        (scratch.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{host}/team"\n')
        locked(scratch)
        done = scratch.invoke("docker_release", "--stage", "prod", cwd=app)
        assert done.returncode == 0, done.stdout + done.stderr


NATIVE = r"""
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "common._native", "", -1, methods};
PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
"""
SETUP = """
from setuptools import Extension, setup
setup(package_dir={"": "src"}, packages=["common"], ext_modules=[Extension("common._native", ["native.c"])])
"""
POETRY_APP = """\
[build-system]
requires = ["poetry-core>=2"]
build-backend = "poetry.core.masonry.api"

[tool.poetry]
name = "app"
version = "1"
description = ""
authors = []

[tool.poetry.dependencies]
python = ">=3.11,<3.14"
common = { path = "../libs/common", develop = true }

[tool.poetry.group.test.dependencies]
pytest = ">=9,<10"
"""


def test_compiled_sibling_in_a_submodule_is_built_again_when_its_source_changes(scratch: Scratch) -> None:
    """The own project is of poetry: its metadata names the sibling by a URL that no image has."""
    source = scratch.root.parent / "native"
    (source / "src/common").mkdir(parents=True)
    manifest = LIBRARY.format(name="common", needs="", backend="setuptools.build_meta", requires='["setuptools>=77"]')
    files = {
        "pyproject.toml": manifest,
        "native.c": NATIVE,
        "setup.py": SETUP,
        "src/common/__init__.py": CODE[12:],
    }
    for name, text in files.items():
        (source / name).write_text(text)
    scratch.git("init", "--quiet", cwd=source)
    scratch.git("add", "--all", cwd=source)
    scratch.git("commit", "--quiet", "--message", "native", cwd=source)
    scratch.git("submodule", "--quiet", "add", str(source), "libs/common")
    test = "from common import _native\n\ndef test_it():\n    assert _native.answer() == 42\n"
    app = add_app(scratch, POETRY_APP, test)
    (app / "app").mkdir()
    (app / "app/__init__.py").write_text("import common._native\n")
    (app / "devops/helpers.toml").write_text('base = "archive:bookworm"\n')
    locked(scratch)
    first = scratch.run("--engine", "docker", "--cached", "--dir", "app")
    assert first.of("app") == ("PASS", 0), first.stdout + first.stderr
    (scratch.root / "libs/common/native.c").write_text(NATIVE.replace("42", "43"))
    edited = scratch.run("--engine", "docker", "--cached", "--dir", "app")
    assert edited.of("app") == ("FAIL", 1) and "building app" in edited.stderr
    done = scratch.invoke("docker_build", "--stage", "prod", "--dir", "app")
    assert done.returncode == 0, done.stderr
    code = "import common._native as found; print(found.answer(), found.__file__)"
    shown = docker("run", "--rm", "--entrypoint", "python", done.stdout.split()[0], "-c", code)
    assert shown.startswith("43 ") and "/site-packages/" in shown
