"""The house rules of the code, each one a function that is shown to find a breach."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from helpers import discover
from helpers.test.conftest import LONGEST

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "helpers"
NO_CODE_OF_OURS = ("test", "templates")
SHIMS = ("tasks.py", "main_pytest.py")
# A module may import from its own layer and from those below it; the longest name that fits decides.
LAYERS = {
    **dict.fromkeys(("helpers", "helpers.errors", "helpers.console", "helpers.thin_env", "helpers.inside"), 0),
    **dict.fromkeys(("helpers.model",), 1),
    **dict.fromkeys(("helpers.proc", "helpers.spawn", "helpers.repo", "helpers.storage"), 2),
    **dict.fromkeys(("helpers.checkout_file", "helpers.merge_conflict", "helpers.toolchain_path"), 2),
    **dict.fromkeys(
        (
            "helpers.build_system",
            "helpers.config",
            "helpers.discover",
            "helpers.pyproject",
            "helpers.pytest_settings",
            "helpers.selection",
            "helpers.host",
            "helpers.index_login",
            "helpers.index_refusal",
            "helpers.manifest",
            "helpers.engine",
            "helpers.registry",
        ),
        3,
    ),
    **dict.fromkeys(
        (
            *("helpers.images", "helpers.containers", "helpers.dirs", "helpers.doctor", "helpers.driver"),
            *("helpers.generate", "helpers.release", "helpers.repos"),
        ),
        4,
    ),
    **dict.fromkeys(("helpers.tasks", "helpers.driver.cli", "helpers.reference"), 5),
}
ISLANDS = ("helpers.thin_env", "helpers.inside")
RUN_BY_PYTEST = ("helpers.inside.run_pytest", "helpers.inside.helpers_verdict")
PROCESS_CALLS = re.compile(r"system|popen|fork|forkpty|startfile|posix_spawnp?|exec[lv]p?e?|spawn[lv]p?e?")
DOCKER_FLAGS = {"--cap-drop", "--mount", "--tmpfs", "--security-opt", "--pids-limit", "--publish", "--memory-swap"}
CLOCKS = {"now", "today", "utcnow", "time", "monotonic"}
READS_AND_WRITES = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "is_dir"}


@dataclass(frozen=True)
class Import:
    """One import: the module, and the line that it stands in."""

    module: str
    line: int


@dataclass(frozen=True)
class Source:
    """One module of ours: its dotted name, and its text."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def imports(self) -> Iterator[Import]:
        """All imports, late ones too; `from helpers import x` is an import of `helpers.x` where that is a module."""
        for node in self.nodes():
            if isinstance(node, ast.Import):
                yield from (Import(item.name, node.lineno) for item in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = self.name if self.is_package else self.name.rpartition(".")[0]
                above = package.rsplit(".", node.level - 1)[0] if node.level else ""
                module = ".".join(part for part in (above, node.module) if part)
                for item in node.names:
                    whole = f"{module}.{item.name}"
                    yield Import(whole if whole in MODULES else module, node.lineno)

    def within(self, *names: str) -> bool:
        return any(self.name == name or self.name.startswith(f"{name}.") for name in names)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def all_files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in NO_CODE_OF_OURS]


MODULES = {module_name(path): path for path in all_files()}
SOURCES = [Source(name, path.read_text("utf-8"), path.stem == "__init__") for name, path in MODULES.items()]
# Modules that belong to no layer, and that nobody but a test or a developer imports.
AROUND = [
    Source(module_name(path), path.read_text("utf-8"))
    for directory in (PACKAGE / "test", ROOT / "benchmarks")
    for path in sorted(directory.glob("*.py"))
]
Rule = Callable[[Source], Iterable[str]]


def layer(name: str) -> int | None:
    """Return the layer of a module; None if nobody has said where it belongs."""
    fits = [known for known in LAYERS if name == known or (known != "helpers" and name.startswith(f"{known}."))]
    return LAYERS[max(fits, key=len)] if fits else None


def imports_only_downwards(source: Source) -> Iterator[str]:
    own = layer(source.name)
    if own is None:
        yield "has no layer: add it to LAYERS"
        return
    for item in source.imports():
        if item.module.split(".")[0] == "helpers":
            other = layer(item.module)
            if other is None or other > own:
                yield f"{item.line}: layer {own} imports {item.module} of layer {other}"


def starts_processes_only_through_the_door(source: Source) -> Iterator[str]:
    if source.within("helpers.proc", "helpers.spawn", *ISLANDS):
        return
    yield from (f"{item.line}: imports subprocess" for item in source.imports() if item.module == "subprocess")
    for node in source.nodes():
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            if PROCESS_CALLS.fullmatch(node.attr):
                yield f"{node.lineno}: os.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (f"{node.lineno}: os.{item.name}" for item in node.names if PROCESS_CALLS.fullmatch(item.name))


def commands_in(source: Source, program: str) -> Iterator[str]:
    for node in source.nodes():
        if isinstance(node, ast.List | ast.Tuple) and node.elts:
            first = node.elts[0]
            if isinstance(first, ast.Constant) and first.value == program:
                yield f"{node.lineno}: a command line of {program}"


def calls_git_only_in_repo(source: Source) -> Iterable[str]:
    return [] if source.within("helpers.repo") else commands_in(source, "git")


def spells_docker_only_in_argv(source: Source) -> Iterator[str]:
    if source.within("helpers.engine.argv"):
        return
    yield from commands_in(source, "docker")
    for node in source.nodes():
        if isinstance(node, ast.Constant) and node.value in DOCKER_FLAGS:
            yield f"{node.lineno}: docker's {node.value}"


def asks_no_shell(source: Source) -> Iterator[str]:
    for node in source.nodes():
        if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", None) is not False:
            yield f"{node.value.lineno}: shell="


def imports_client_libraries_only_in_their_seam(source: Source) -> Iterator[str]:
    for item in source.imports():
        top = item.module.split(".")[0]
        if top in ("docker", "requests") and not source.within("helpers.engine"):
            yield f"{item.line}: imports {top}"
        if top in ("git", "pygit2", "dulwich"):
            yield f"{item.line}: imports {top}; repo/ calls git itself"


def is_at_most_400_lines(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > 400:
        yield f"has {lines} lines"


def has_functions_of_at_most_60_lines(source: Source) -> Iterator[str]:
    for node in source.nodes():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > 60:
                yield f"{node.lineno}: {node.name} has {lines} lines"


def has_a_name_that_says_something(source: Source) -> Iterator[str]:
    empty = {"util", "utils", "common", "manager", "misc", "helper"}
    yield from (f"is called {part}" for part in source.name.split(".") if part in empty)


def is_stdlib_only_on_an_island(source: Source) -> Iterator[str]:
    for island in (name for name in ISLANDS if source.within(name)):
        allowed = {"pytest"} if source.within(*RUN_BY_PYTEST) else set()
        for item in source.imports():
            top = item.module.split(".")[0]
            home = item.module == island or item.module.startswith(f"{island}.")
            if not (top in sys.stdlib_module_names or top in allowed or home):
                yield f"{item.line}: imports {item.module}"


def has_a_pure_model(source: Source) -> Iterator[str]:
    if not source.within("helpers.model"):
        return
    for item in source.imports():
        if item.module.split(".")[0] in (
            "os",
            "sys",
            "io",
            "time",
            "shutil",
            "tempfile",
            "socket",
            "random",
            "secrets",
        ):
            yield f"{item.line}: imports {item.module}"
    for node in source.nodes():
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in CLOCKS | READS_AND_WRITES:
                yield f"{node.lineno}: calls {name}"


BREACHES: list[tuple[Rule, str, str]] = [
    (imports_only_downwards, "helpers.model.x", "from helpers import proc"),
    (imports_only_downwards, "helpers.model.x", "def f():\n    from helpers.engine import argv"),
    (imports_only_downwards, "helpers.proc", "import helpers.config"),
    (imports_only_downwards, "helpers.engine.x", "from helpers.images.build import ensure"),
    (imports_only_downwards, "helpers.engine.x", "from ..images import build"),
    (imports_only_downwards, "helpers.driver.run", "from helpers.driver import cli"),
    (imports_only_downwards, "helpers.images.x", "from helpers.tasks import adapter"),
    (imports_only_downwards, "helpers.errors", "if TYPE_CHECKING:\n    from helpers.model import image"),
    (imports_only_downwards, "helpers.something_new", ""),
    (starts_processes_only_through_the_door, "helpers.repo", "import subprocess"),
    (starts_processes_only_through_the_door, "helpers.repo", "def f():\n    from subprocess import run"),
    (starts_processes_only_through_the_door, "helpers.engine.x", "import os\nos.system('x')"),
    (starts_processes_only_through_the_door, "helpers.engine.x", "import os\nos.execvpe('x', [], {})"),
    (starts_processes_only_through_the_door, "helpers.engine.x", "from os import fork"),
    (calls_git_only_in_repo, "helpers.discover", "run(['git', 'status'])"),
    (calls_git_only_in_repo, "helpers.proc", "COMMAND = ('git', '-C')"),
    (spells_docker_only_in_argv, "helpers.engine.docker", "run(['docker', 'ps'])"),
    (spells_docker_only_in_argv, "helpers.containers.shell", "argv += ['--mount', x]"),
    (asks_no_shell, "helpers.proc", "run('x', shell=True)"),
    (asks_no_shell, "helpers.proc", "run('x', shell=yes)"),
    (imports_client_libraries_only_in_their_seam, "helpers.driver.x", "def f():\n    import docker"),
    (imports_client_libraries_only_in_their_seam, "helpers.images.x", "from requests import get"),
    (imports_client_libraries_only_in_their_seam, "helpers.repo", "import git"),
    (is_at_most_400_lines, "helpers.x", "x = 1\n" * 401),
    (has_functions_of_at_most_60_lines, "helpers.x", "class A:\n    def f(self):\n" + "        x = 1\n" * 60),
    (has_a_name_that_says_something, "helpers.engine.utils", ""),
    (has_a_name_that_says_something, "helpers.common.x", ""),
    (is_stdlib_only_on_an_island, "helpers.thin_env.x", "def f():\n    import rich"),
    (is_stdlib_only_on_an_island, "helpers.thin_env.x", "from helpers import errors"),
    (is_stdlib_only_on_an_island, "helpers.inside.runner", "import pytest"),
    (is_stdlib_only_on_an_island, "helpers.inside.runner", "from helpers.thin_env import bootstrap"),
    (has_a_pure_model, "helpers.model.x", "import os"),
    (has_a_pure_model, "helpers.model.x", "datetime.date.today()"),
    (has_a_pure_model, "helpers.model.x", "path.read_text()"),
    (has_a_pure_model, "helpers.model.x", "open('x')"),
]
RULES = sorted({rule for rule, _, _ in BREACHES}, key=lambda rule: rule.__name__)
# Those that hold for tests and benchmarks too: these start shells, docker and git as a user does.
RULES_AROUND = [has_a_name_that_says_something, has_functions_of_at_most_60_lines, is_at_most_400_lines]
SOUND: list[tuple[Rule, str, str]] = [
    (
        imports_only_downwards,
        "helpers.engine.x",
        "from helpers import host, proc\nfrom helpers.model.image import OURS",
    ),
    (imports_only_downwards, "helpers.driver.cli", "from helpers.driver import plan"),
    (starts_processes_only_through_the_door, "helpers.proc", "import os, subprocess\nos.execvpe('x', [], {})"),
    (starts_processes_only_through_the_door, "helpers.repo", "import os\nos.replace('a', 'b')"),
    (calls_git_only_in_repo, "helpers.repo", "run(['git', 'status'])"),
    (calls_git_only_in_repo, "helpers.engine.x", "PACKAGES = ('python3', 'git')"),
    (spells_docker_only_in_argv, "helpers.engine.argv", "run(['docker', '--mount'])"),
    (asks_no_shell, "helpers.proc", "run(['x'], shell=False)"),
    (
        imports_client_libraries_only_in_their_seam,
        "helpers.engine.x",
        "from helpers.engine import docker\nimport docker",
    ),
    (is_at_most_400_lines, "helpers.x", "x = 1\n" * 400),
    (has_functions_of_at_most_60_lines, "helpers.x", "def f():\n" + "    x = 1\n" * 59),
    (is_stdlib_only_on_an_island, "helpers.inside.run_pytest", "import json\nimport pytest"),
    (is_stdlib_only_on_an_island, "helpers.thin_env.x", "from helpers.thin_env import bootstrap\nimport venv"),
    (has_a_pure_model, "helpers.model.x", "from pathlib import Path\nimport re"),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module(rule: Rule) -> None:
    assert [f"{source.name}:{breach}" for source in SOURCES for breach in rule(source)] == []


@pytest.mark.parametrize("rule", RULES_AROUND, ids=lambda rule: rule.__name__)
def test_every_module_of_tests_and_benchmarks(rule: Rule) -> None:
    assert [f"{source.name}:{breach}" for source in AROUND for breach in rule(source)] == []


@pytest.mark.parametrize("rule, name, text", BREACHES)
def test_a_breach_is_found(rule: Rule, name: str, text: str) -> None:
    assert list(rule(Source(name, text))) != []


@pytest.mark.parametrize("rule, name, text", SOUND)
def test_sound_code_is_left_alone(rule: Rule, name: str, text: str) -> None:
    assert list(rule(Source(name, text))) == []


def circle_in(sources: Iterable[Source]) -> list[str]:
    """Return the modules of one circle of imports, late ones included; empty if there is none."""
    needs = {
        source.name: {item.module for item in source.imports() if item.module in MODULES} - {source.name}
        for source in sources
    }
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle_in(SOURCES) == []


def test_a_circle_of_imports_is_found_late_ones_too() -> None:
    one = Source("helpers.repo", "from helpers import proc")
    other = Source("helpers.proc", "def f():\n    from helpers.repo import files")
    assert set(circle_in([one, other])) == {"helpers.repo", "helpers.proc"}
    assert circle_in([one]) == []


@pytest.mark.parametrize("name", SHIMS)
def test_a_shim_has_at_most_10_lines(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= 10


def test_the_root_of_the_repo_is_no_package() -> None:
    assert not (ROOT / "__init__.py").exists() and (PACKAGE / "__init__.py").exists()


def hidden_by(names: Iterable[str], lock: str) -> set[str]:
    """Return the modules that a dependency or the standard library has too; `helpers/` itself may be on the path."""
    packages = {re.sub(r"[-.]", "_", name).lower() for name in re.findall(r'^name = "(.+)"$', lock, re.MULTILINE)}
    return set(names) & (packages | sys.stdlib_module_names)


def test_nothing_at_the_top_of_helpers_is_named_like_a_module_of_others() -> None:
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()} - {"__init__"}
    assert hidden_by(names, (ROOT / "poetry.lock").read_text()) == set()
    assert len(names) > 10


def test_a_name_that_others_have_is_found() -> None:
    assert hidden_by(
        ["rich", "mypy_extensions", "platform", "engine"], 'name = "rich"\nname = "mypy-extensions"\n'
    ) == {
        "rich",
        "mypy_extensions",
        "platform",
    }


def test_the_rules_see_all_our_code() -> None:
    assert {"helpers", "helpers.proc", "helpers.engine.argv", "helpers.driver.cli", "helpers.tasks"} <= set(MODULES)
    assert len(SOURCES) > 40
    assert {"helpers.test.test_architecture", "helpers.test.conftest", "benchmarks.build"} <= {
        source.name for source in AROUND
    }


def test_the_modules_that_take_longest_are_there_and_begun_first(request: pytest.FixtureRequest) -> None:
    here = Path(__file__).parent
    assert [name for name in LONGEST if not (here / f"{name}.py").is_file()] == []
    order = list(dict.fromkeys(item.path.stem for item in request.session.items))
    long = [name for name in LONGEST if name in order]
    assert order[: len(long)] == long


def test_no_runnable_dir_of_this_repo_lost_its_marks() -> None:
    files = [path.parent for path in PACKAGE.rglob("pyproject.toml")]
    assert [str(path.relative_to(ROOT)) for path in files if discover.lost_marks(path)] == []
