"""The documentation says what the code does: links, commands, settings, and the generated reference."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from helpers import reference
from helpers.dirs import project_text
from helpers.driver import options, verdict
from helpers.driver.verdict import Status
from helpers.model import image
from helpers.model.settings import defaults_table, parse_settings
from helpers.tasks import namespace
from helpers.tasks.old_spellings import OldArgument
from helpers.test import doc_blocks

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to"
# Not below runnable_dirs/: the container of the root sees those directories empty.
_TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "helpers/README.md")]
PAGES = [*_TOP, *sorted(ROOT.glob("docs/**/*.md"))]
TASK_OPTIONS = {
    name: {reference.flag(item) for item in task.get_arguments() if not isinstance(item, OldArgument)}
    for name, task in namespace.tasks.items()
}
DRIVER_OPTIONS = {text for action in options.build_parser()._actions for text in action.option_strings}
SETTINGS = {name for name, _, _ in defaults_table()}
# Asked from the installer, because no file of ours may hold them, this one included.
REGISTRIES = [PyPI.netloc, PyPI.file_storage_domain]

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code_of(text: str) -> list[str]:
    """Return what stands in code blocks, a line each, and in code spans."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line for block in blocks for line in block.splitlines()] + spans


def commands(line: str, program: str) -> Iterator[list[str]]:
    """Yield the words after `program` of each command in `line`, without comments and what is quoted."""
    bare = re.sub(r"\s#.*|(?<=\s)-- .*", "", re.sub(r"\"[^\"]*\"|'[^']*'", "TEXT", line))
    for command in re.split(r"&&|;|\|", bare):
        if found := re.search(rf"(?:^|\$ |fix: |next: )(?:\./)?{re.escape(program)}( .*|$)", command.strip()):
            yield found[1].split()


def wrong_tasks(line: str) -> Iterator[str]:
    for words in commands(line, "invoke"):
        if words and re.fullmatch(r"[a-z_]+", words[0]):
            if words[0] not in TASK_OPTIONS:
                yield words[0]
                continue
            known = TASK_OPTIONS[words[0]] | {"--help"}
            yield from (f"{words[0]} {word}" for word in words[1:] if word.startswith("--") and word not in known)


def wrong_options(line: str) -> Iterator[str]:
    for words in commands(line, "main_pytest.py"):
        options = [re.split(r"[=\]]", word.lstrip("["))[0] for word in words]
        yield from (word for word in options if re.match(r"--?[a-z]", word) and word not in DRIVER_OPTIONS)


def slug(title: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE) if target.is_file() else []
        if not target.exists() or (anchor and anchor not in map(slug, titles)):
            yield link


@pages
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", sorted(HOW_TO.glob("*.md")), ids=lambda page: page.name)
def test_how_to_page_is_short_and_names_the_next_page(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    assert len(lines) <= 400
    assert lines[-1].startswith("Next: [")
    text = re.sub(r"^ *```.*?^ *```", "", "\n".join(lines), flags=re.MULTILINE | re.DOTALL)
    wide = [line for line in text.splitlines() if len(line) > 100 and not line.startswith("|") and "](" not in line]
    assert wide == []


def test_index_of_the_how_to_names_every_page_and_section() -> None:
    index = (HOW_TO / "README.md").read_text("utf-8")
    links = re.findall(r"\[(.+)\]\(([\w-]+\.md)#", index)
    for page in sorted(HOW_TO.glob("*.md")):
        titles = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert page.name == "README.md" or titles == [title for title, name in links if name == page.name]


@pages
def test_every_task_and_option_exists(page: Path) -> None:
    lines = code_of(page.read_text("utf-8"))
    assert [wrong for line in lines for wrong in (*wrong_tasks(line), *wrong_options(line))] == []


@pages
def test_every_path_of_the_toolchain_exists(page: Path) -> None:
    pattern = r"(?<![\w/.-])(?:helpers|benchmarks|dev_scripts|docs)/[\w./-]*\w"
    paths = {path for line in code_of(page.read_text("utf-8")) for path in re.findall(pattern, line)}
    made_up = {path for path in paths if re.search(r"[A-Z]{4}", path)} - {"docs/README.md"}
    # Where the whole repo is the submodule `helpers`, all is one `helpers/` deeper.
    there = [ROOT / re.sub("^helpers/(?=helpers/)", "", path) for path in sorted(paths - made_up)]
    assert [path for path in there if not path.exists()] == []


@pages
def test_every_setting_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    for block in doc_blocks.read(page.relative_to(ROOT).as_posix()):
        if block.language == "toml":
            settings = project_text.parse(block.text).get("tool", {}).get("helpers", {})
            parse_settings(settings, f"{page.name}:{block.line}")
    assert set(re.findall(r"(?:settings?|[Rr]aise) `(\w+)`", text)) - SETTINGS == set()


@pages
def test_no_registry_and_no_path_of_somebodys_machine_is_named(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [name for name in REGISTRIES if name in text] == []
    assert re.findall(r"/(?:root|work|tmp/\w+)/\S*", text) == []


@pages
def test_results_are_written_outside_of_the_checkout(page: Path) -> None:
    # A file in the checkout stops the next release and is an input of the tests of the root.
    pattern = r"(?:--(?:json|junit|html)| >) (?:\./)?[a-z][\w/.]*\.\w+"
    assert [found for line in code_of(page.read_text("utf-8")) for found in re.findall(pattern, line)] == []


@pages
def test_every_variable_of_ours_is_in_the_reference(page: Path) -> None:
    names = {item.name for item in reference.VARIABLES}
    assert set(re.findall(r"HELPERS_[A-Z]+", page.read_text("utf-8"))) <= names


@pytest.mark.parametrize("command", ["./main_pytest.py", "dev_scripts/run_tests.sh"])
def test_the_two_commands_of_the_readme_are_programs(command: str) -> None:
    lines = code_of((ROOT / "README.md").read_text("utf-8"))
    assert command in lines
    assert os.access(ROOT / command, os.X_OK)


def test_every_common_file_is_named_where_it_is_said_how_to_share_one() -> None:
    folder = ROOT / "helpers" / "templates" / "shared"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    section = (HOW_TO / "adopt.md").read_text("utf-8").partition("## Add a common file")[2].partition("\n## ")[0]
    assert names - set(code_of(section)) == set()


def test_every_benchmark_is_on_the_page_with_its_command() -> None:
    programs = {path.name for path in (ROOT / "benchmarks").glob("*.py") if path.read_text("utf-8").startswith("#!")}
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    assert programs == set(re.findall(r"^python3 benchmarks/(\w+\.py)$", page, re.MULTILINE))


def test_the_reference_is_what_the_code_says() -> None:
    # In a process of its own: invoke forgets the help texts of a task that another test has asked.
    done = subprocess.run(
        [sys.executable, "-m", "helpers.reference"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == reference.FILE.read_text("utf-8"), "run: python -m helpers.reference --write"


def test_every_verdict_is_explained_with_the_exit_code_that_it_has() -> None:
    assert set(reference.VERDICTS) == set(Status)
    for status, code in verdict.CODES.items():
        assert reference.VERDICTS[status][0] == str(code)


def test_every_verdict_has_advice_in_the_how_to() -> None:
    text = (HOW_TO / "when-a-run-fails.md").read_text("utf-8")
    assert {name.value for name in Status} - set(re.findall(r"^\| (\w+) \|", text, re.MULTILINE)) == {"PASS"}


def test_every_label_is_explained() -> None:
    labels = {value for name, value in vars(image).items() if name == "OURS" or name.startswith("LABEL_")}
    assert set(reference.LABELS) == labels


def variables_in(text: str) -> set[str]:
    """Return the environment variables that a module reads, by literal names or by a loop over a tuple of them."""
    tree = ast.parse(text)
    tuples = {
        target.id: strings(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    loops: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name):
            over = node.iter.args[0] if isinstance(node.iter, ast.Call) and node.iter.args else node.iter
            found = tuples.get(over.id, set()) if isinstance(over, ast.Name) else strings(over)
            loops.setdefault(node.target.id, set()).update(found)
    return {name for key in keys(tree) for name in names_of(key, loops)}


def strings(node: ast.AST) -> set[str]:
    items = node.elts if isinstance(node, ast.Tuple | ast.List) else []
    return {item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)}


def is_environ(node: ast.AST) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def keys(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield every expression that chooses a variable."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and is_environ(node.value):
            yield node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr == "getenv" or (
                is_environ(node.func.value) and node.func.attr in ("get", "pop", "setdefault")
            ):
                yield node.args[0]
        elif isinstance(node, ast.Compare) and any(map(is_environ, node.comparators)):
            yield node.left


def names_of(key: ast.expr, loops: dict[str, set[str]]) -> Iterable[str]:
    if isinstance(key, ast.Constant):
        return [str(key.value)]
    if isinstance(key, ast.Name):
        return loops.get(key.id, set())
    if isinstance(key, ast.Call) and isinstance(key.func, ast.Attribute) and isinstance(key.func.value, ast.Name):
        return [name.upper() for name in loops.get(key.func.value.id, set()) if key.func.attr == "upper"]
    return []


def test_every_environment_variable_that_the_code_reads_is_in_the_reference_and_no_other() -> None:
    files = [file for file in (ROOT / "helpers").rglob("*.py") if file.relative_to(ROOT).parts[1] != "test"]
    read = {name for file in files for name in variables_in(file.read_text("utf-8"))}
    assert read == {item.name for item in reference.VARIABLES if item.reader == "helpers"}
    scripts = "".join(file.read_text("utf-8") for file in (ROOT / "dev_scripts").iterdir() if file.is_file())
    assert set(re.findall(r"HELPERS_[A-Z]+", scripts)) <= read | {"HELPERS_PYTHON"}


def test_a_variable_is_found_however_it_is_read() -> None:
    text = """
NAMES = ("D", "e")
a = os.environ["A"], os.environ.get("B"), os.getenv("C"), "F" in environ
for name in NAMES:
    os.environ.get(name) or environ.get(name.upper())
any(os.environ[other] for other in reversed(("G", "H")))
{"X": 1}.get("X")
os.environ["Y"] = "only set"
"""
    assert variables_in(text) == set("ABCDeEFGH")


def test_what_does_not_exist_is_found(tmp_path: Path) -> None:
    assert list(wrong_tasks("cd x && invoke docker_bsah --dir y")) == ["docker_bsah"]
    assert list(wrong_tasks("invoke docker_lock --dri x  # --all")) == ["docker_lock --dri"]
    assert list(wrong_tasks("invoke run_fast_tests --dir x -- --no-such")) == []
    assert list(wrong_options("./main_pytest.py --dri x -- --no-such")) == ["--dri"]
    page = tmp_path / "page.md"
    page.write_text("# A title, `x`\n[one](page.md#a-title-x) [two](none.md) [three](#nothing)\n```\n[four](no)\n```\n")
    assert list(broken_links(page)) == ["none.md", "#nothing"]


def test_it_writes_its_own_file_and_leaves_another_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "docs" / "reference.md"
    monkeypatch.setattr(reference, "FILE", file)
    monkeypatch.setattr(reference, "text", lambda: f"{reference.HEAD}and so on\n")
    assert reference.main([]) == 0
    assert (capsys.readouterr().out, file.exists()) == (reference.text(), False)
    assert reference.main(["--write"]) == reference.main(["--write"]) == 0
    assert file.read_text("utf-8") == reference.text()
    file.write_text("# Somebody else's\n")
    assert reference.main(["--write"]) == 4
    assert file.read_text("utf-8") == "# Somebody else's\n"
    assert "is left alone" in capsys.readouterr().err


def test_every_module_that_starts_a_program_is_in_the_table_of_host_tools() -> None:
    starts = re.compile(
        r"\b(proc\.(run|finish|show|together|replace)|Child|Asked|spawn\.begin|subprocess\.run|os\.exec\w+)\("
    )
    package = ROOT / "helpers"
    doors = {"proc.py", "spawn.py"}
    islands = {"inside", "templates", "test"}
    found = {
        name
        for file in package.rglob("*.py")
        if (name := file.relative_to(package).as_posix()) not in doors and name.split("/")[0] not in islands
        if starts.search(re.sub(r"^( *)(def|class) .*", "", file.read_text("utf-8"), flags=re.MULTILINE))
    }
    page = (ROOT / "docs" / "host-tools.md").read_text("utf-8")
    named = {
        name for line in page.splitlines() if line.startswith("| ") for name in re.findall(r"`([\w/]+\.py)`", line)
    }
    assert (sorted(found - named), sorted(named - found)) == ([], [])
