"""Projects of real build backends on the live engines: installed as by pip, and edited without a build."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch, docker
from helpers.test.projects import add_project

pytestmark = pytest.mark.engine

METADATA = """
from importlib import metadata
import os, sys
import {name}

def test_metadata_is_installed():
    assert metadata.version("{name}") == "1.2.3"

def test_module_is_that_of_the_checkout():
    assert {name}.__file__ == os.path.realpath("{root}{name}/__init__.py")
    assert {name}.ANSWER == 42
"""
SETUPTOOLS_TEST = (
    METADATA.format(name="probe", root="src/")
    + """
import importlib.resources, subprocess

def test_script_runs_with_and_without_the_variables_of_the_container():
    command = os.path.join(sys.prefix, "bin", "probe-say")
    assert subprocess.run([command], capture_output=True, text=True, check=True).stdout == "said\\n"
    if sys.prefix == "/opt/venv":
        given = {"capture_output": True, "text": True, "check": True, "env": {}, "cwd": "/"}
        assert subprocess.run([command], **given).stdout == "said\\n"

def test_plugin_is_found_by_its_entry_point(from_plugin):
    assert from_plugin == 7

def test_data_is_there():
    assert importlib.resources.files("probe").joinpath("data.txt").read_text() == "data"
    assert importlib.resources.files("probe").joinpath("py.typed").is_file()
"""
)
SETUPTOOLS = {
    "src/probe/__init__.py": "ANSWER = 42\n\ndef say():\n    print('said')\n",
    "src/probe/plugin.py": "import pytest\n\n@pytest.fixture\ndef from_plugin():\n    return 7\n",
    "src/probe/data.txt": "data",
    "src/probe/py.typed": "",
    "test/test_it.py": SETUPTOOLS_TEST,
}
SETUPTOOLS_LINES = """\
version = "1.2.3"
scripts = {probe-say = "probe:say"}
entry-points.pytest11 = {probe = "probe.plugin"}
"""
NATIVE = r"""
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(ANSWER); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native._native", "", -1, methods};
PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
"""
NATIVE_TEST = """
import os, shutil, sys
import native, native._native

def test_extension_is_compiled():
    assert native._native.answer() == {answer}

def test_python_modules_are_those_of_the_checkout():
    assert native.__file__ == os.path.realpath("native/__init__.py")

def test_image_has_no_compiler():
    assert sys.prefix != "/opt/venv" or not shutil.which("gcc")
"""


def add_probe(scratch: Scratch) -> Path:
    return add_project(scratch, "probe", "setuptools.build_meta", "setuptools>=77", SETUPTOOLS_LINES, SETUPTOOLS)


def add_native(scratch: Scratch, answer: int = 42) -> Path:
    files = {
        "native/__init__.py": "",
        "c/native.c": f"#define ANSWER {answer}\n{NATIVE}",
        "setup.py": "from setuptools import Extension, setup\n"
        "setup(packages=['native'], ext_modules=[Extension('native._native', ['c/native.c'])])\n",
        "test/test_it.py": NATIVE_TEST.format(answer=answer),
    }
    return add_project(scratch, "native", "setuptools.build_meta", "setuptools>=77", 'version = "1"', files)


def is_clean(scratch: Scratch) -> bool:
    return scratch.git("status", "--porcelain", "--", "probe", "native", "tool") == ""


@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_project_is_installed_and_nothing_is_written_into_its_checkout(scratch: Scratch, engine: str) -> None:
    add_probe(scratch)
    result = scratch.run("--engine", engine)
    assert result.of("probe") == ("PASS", 0), result.stdout + result.stderr
    assert result.verdicts["probe"]["counts"]["passed"] == 5
    assert is_clean(scratch)
    assert scratch.git("status", "--porcelain", "--ignored", "--", "probe") == ""


@pytest.mark.parametrize(
    ("backend", "requires", "lines", "root"),
    [
        ("hatchling.build", "hatchling", 'version = "1.2.3"', "src/"),
        ("flit_core.buildapi", "flit_core>=3.12", 'dynamic = ["version", "description"]', ""),
        ("poetry.core.masonry.api", "poetry-core>=2", 'version = "1.2.3"', ""),
        ("pdm.backend", "pdm-backend", 'version = "1.2.3"', "src/"),
    ],
)
def test_project_of_each_backend_is_installed(
    scratch: Scratch, backend: str, requires: str, lines: str, root: str
) -> None:
    init = '"""A tool."""\n\n__version__ = "1.2.3"\nANSWER = 42\n'
    files = {f"{root}tool/__init__.py": init, "test/test_it.py": METADATA.format(name="tool", root=root)}
    path = add_project(scratch, "tool", backend, requires, lines, files)
    if backend.startswith("poetry"):
        file = path / "pyproject.toml"
        file.write_text(file.read_text().replace("[tool.poetry]\npackage-mode = false\n", ""))
        scratch.git("commit", "--all", "--quiet", "--message", "a package")
    result = scratch.run("--engine", "docker")
    assert result.of("tool") == ("PASS", 0), result.stdout + result.stderr
    assert is_clean(scratch)


def test_edit_of_a_module_counts_without_a_build_and_edit_of_metadata_with_one(scratch: Scratch) -> None:
    path = add_probe(scratch)
    before = scratch.run("--engine", "docker")
    assert before.of("probe") == ("PASS", 0), before.stdout + before.stderr
    module, test = path / "src/probe/__init__.py", path / "test/test_it.py"
    module.write_text(module.read_text().replace("42", "43"))
    test.write_text(test.read_text().replace("42", "43"))
    edited = scratch.run("--engine", "docker")
    assert edited.of("probe") == ("PASS", 0), edited.stdout + edited.stderr
    assert "building" not in edited.stderr
    assert edited.verdicts["probe"]["image"] == before.verdicts["probe"]["image"]
    for file in (path / "pyproject.toml", test):
        file.write_text(file.read_text().replace("1.2.3", "1.2.4"))
    renamed = scratch.run("--engine", "docker")
    assert renamed.of("probe") == ("PASS", 0), renamed.stdout + renamed.stderr
    assert "building probe" in renamed.stderr


@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_extension_is_compiled_and_compiled_again_when_its_source_changes(scratch: Scratch, engine: str) -> None:
    path = add_native(scratch)
    result = scratch.run("--engine", engine)
    assert result.of("native") == ("PASS", 0), result.stdout + result.stderr
    for file in (path / "c/native.c", path / "test/test_it.py"):
        file.write_text(file.read_text().replace("42", "43"))
    result = scratch.run("--engine", engine)
    assert result.of("native") == ("PASS", 0), result.stdout + result.stderr
    assert result.verdicts["native"]["counts"]["passed"] == 3
    assert {line.split()[-1] for line in scratch.git("status", "--porcelain", "--", "native").splitlines()} == {
        "native/c/native.c",
        "native/test/test_it.py",
    }


def test_generated_file_of_an_editable_project_fails_the_build_with_the_setting(scratch: Scratch) -> None:
    files = {
        "probe/__init__.py": "ANSWER = 42\n",
        "setup.py": "from setuptools import setup\nopen('probe/made.py', 'w').write('MADE = 1\\n')\n"
        "setup(packages=['probe'])\n",
        "test/test_it.py": "from probe import made\n\ndef test_it():\n    assert made.MADE == 1\n",
    }
    path = add_project(scratch, "probe", "setuptools.build_meta", "setuptools>=77", 'version = "1"', files)
    result = scratch.run("--engine", "docker")
    assert result.of("probe") == ("BUILD", 3)
    assert 'fix: write installed = "compiled" to the settings of the directory' in result.stdout
    with (path / "pyproject.toml").open("a") as file:
        file.write('installed = "compiled"\n')
    result = scratch.run("--engine", "docker")
    assert result.of("probe") == ("PASS", 0), result.stdout + result.stderr


def test_prod_image_of_a_project_holds_its_wheel_and_neither_compiler_nor_source(scratch: Scratch) -> None:
    path = add_native(scratch)
    done = scratch.invoke("docker_build", "--stage", "prod", cwd=path)
    assert done.returncode == 0, done.stderr
    image = done.stdout.split()[0]

    def said(*words: str) -> str:
        return docker("run", "--rm", "--entrypoint", words[0], image, *words[1:])

    shown = said("python", "-c", "import native._native as n; print(n.answer(), n.__file__)").split()
    assert shown[0] == "42" and "/site-packages/native/" in shown[1]
    files = said("sh", "-c", "find / -xdev '(' -name '_native*' -o -name '*.whl' ')' 2>/dev/null || true").split()
    assert [Path(file).suffix for file in files] == [".so"]
    assert said("sh", "-c", "command -v gcc cc rustc pytest || echo none") == "none\n"


def test_prod_image_that_lacks_code_named_by_uses_is_refused(scratch: Scratch) -> None:
    low = scratch.add("low", "def test_it():\n    pass\n", image="low")
    (low / "low").mkdir()
    (low / "low" / "__init__.py").write_text("")
    top = scratch.add("top", "import top\n\ndef test_it():\n    pass\n", image="top", settings='uses = ["../low"]\n')
    (top / "top").mkdir()
    (top / "top" / "__init__.py").write_text("import low\n")
    scratch.git("add", "--all")
    assert scratch.run("--engine", "docker", "--dir", "top", "--only-this").of("top") == ("PASS", 0)
    refused = scratch.invoke("docker_build", "--stage", "prod", "--dir", "top")
    assert refused.returncode == 4, refused.stderr
    assert "No module named 'low'" in refused.stderr and refused.stdout == ""
    assert 'fix: write base = "dir:../low"' in refused.stderr
    again = scratch.invoke("docker_build", "--stage", "prod", "--dir", "top")
    assert again.returncode == 4
    file = top / "pyproject.toml"
    file.write_text(file.read_text().replace("archive:bookworm", "dir:../low"))
    fixed = scratch.invoke("docker_build", "--stage", "prod", "--dir", "top")
    assert fixed.returncode == 0, fixed.stderr


def test_backend_sees_no_secret_of_this_machine(scratch: Scratch) -> None:
    files = {
        "probe/__init__.py": "",
        "setup.py": "import os, pathlib\nfrom setuptools import setup\n"
        "assert not os.path.exists('/run/secrets/host_env'), 'settings of the host'\n"
        "assert 'SECRET_OF_THE_CALLER' not in os.environ\n"
        "assert not any('word:pass' in value for value in os.environ.values())\n"
        "assert not os.path.exists('.git')\n"
        "setup(packages=['probe'])\n",
        "test/test_it.py": "import probe\n\ndef test_it():\n    pass\n",
    }
    add_project(scratch, "probe", "setuptools.build_meta", "setuptools>=77", 'version = "1"', files)
    index = subprocess.run(
        ["pip", "config", "get", "global.index-url"], capture_output=True, encoding="utf-8", check=False
    ).stdout.strip()
    secret = index.replace("://", "://word:pass@", 1)
    result = scratch.run("--engine", "docker", SECRET_OF_THE_CALLER="1", UV_INDEX=secret)
    assert result.of("probe") == ("PASS", 0), result.stdout + result.stderr


SPYING_BACKEND = """
import os, sys
from setuptools import build_meta

def get_requires_for_build_wheel(config_settings=None):
    os.rename(sys.executable, sys.executable + ".real")
    with open(sys.executable, "w") as file:
        file.write('#!/bin/sh\\nenv >> /build/seen\\nexec %s.real "$@"\\n' % sys.executable)
    os.chmod(sys.executable, 0o755)
    return ["wheel"]

def build_wheel(directory, config_settings=None, metadata_directory=None):
    assert not os.path.exists("/build/seen"), "the password of the index"
    assert not os.path.exists(sys.executable + ".real"), "an environment in which code of the project ran"
    return build_meta.build_wheel(directory, config_settings, metadata_directory)
"""


def test_backend_leaves_nothing_in_the_place_where_the_password_of_the_index_is(scratch: Scratch) -> None:
    files = {
        "backend.py": SPYING_BACKEND,
        "probe/__init__.py": "",
        "test/test_it.py": "import probe\n\ndef test_it():\n    pass\n",
    }
    packages = '[tool.setuptools]\npackages = ["probe"]\n'
    path = add_project(scratch, "probe", "backend", "setuptools>=77", 'version = "1"', files, more=packages)
    file = path / "pyproject.toml"
    file.write_text(file.read_text().replace("[build-system]\n", '[build-system]\nbackend-path = ["."]\n', 1))
    result = scratch.run("--engine", "docker")
    assert result.of("probe") == ("PASS", 0), result.stdout + result.stderr
