"""The blocks of the tutorial and of the how-to: commands run, output and settings are right; no engine is needed.

`doc_table.py` names the commands that do not run; test_live_how_to.py and
test_live_tutorial.py run the commands that need an engine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine import compose_file, service_rules
from helpers.test import doc_blocks, doc_table
from helpers.test.doc_blocks import PAGES, Step
from helpers.test.doc_repo import DocRepo

pytestmark = pytest.mark.slow

pages = pytest.mark.parametrize("page", PAGES)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocRepo]:
    made = DocRepo(tmp_path_factory.mktemp("docs"))
    yield made
    made.forget()


@pytest.mark.parametrize(("page", "section"), doc_table.sections(live=False))
def test_commands_of_a_section_work_without_an_engine(repo: DocRepo, page: str, section: str) -> None:
    repo.reset()
    faults = repo.shell.faults(page, section, DOCKER_HOST=f"unix://{repo.home}/no-engine")
    assert faults == [], "\n".join(faults)


@pages
def test_services_and_code_of_a_page_are_accepted(page: str, tmp_path: Path) -> None:
    for block in doc_blocks.read(page):
        if block.language == "yaml" and block.first == "services:":
            file = tmp_path / "compose.yaml"
            file.write_text(block.text)
            place = service_rules.Place(file, tmp_path, tmp_path, "1000:1000")
            assert service_rules.needs(compose_file.read(file), place) == []
        if block.language == "python":
            text = f"{block.text}def test_it(): pass\n" if block.first.startswith("@") else block.text
            ast.parse(text)


@pages
def test_language_of_a_block_is_known(page: str) -> None:
    assert {block.language for block in doc_blocks.read(page)} <= {"", "text", "toml", "yaml", "python"}


def test_each_entry_of_the_tables_names_a_block() -> None:
    found = [block for page in PAGES for block in doc_blocks.read(page)]
    firsts = {(doc_table.short(block.page), block.first) for block in found}
    commands = {(doc_table.short(block.page), step.command) for block in found for step in block.steps()}
    titles = {(doc_table.short(block.page), block.section) for block in found}
    assert set(doc_table.BLOCKS_NOT_RUN) - firsts == set()
    assert set(doc_table.NOT_RUN) - commands == set()
    assert set(doc_table.CODES) - commands == set()
    assert set(doc_table.BEFORE) - firsts == set()
    assert {(page, title) for page, names in doc_table.ENGINE.items() for title in names} - titles == set()


def test_a_block_of_commands_has_no_output() -> None:
    block = doc_blocks.Block("a.md", "A", "", "# why\nls   # what\n\necho '#'\n", 1)
    assert block.steps() == [Step("ls"), Step("echo '#'")]


def test_output_of_a_command_ends_at_the_next_command() -> None:
    block = doc_blocks.Block("a.md", "A", "", "$ ls\na\nb\n$ true\n", 1)
    assert block.steps() == [Step("ls", "a\nb\n"), Step("true")]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("took 1.5 s\n", "took 20 s\n"),
        ("a  1.2.3\n", "a       10.0.1\n"),
        ("...\nlast\n", "first\nlast\n"),
        ("tests …\n", "tests 18\n"),
        ("x sha256:22bdd780a316\n", "x sha256:0123456789ab\n"),
    ],
)
def test_output_that_differs_in_placeholders_is_the_same(shown: str, printed: str) -> None:
    assert doc_blocks.difference(shown, printed) == ""


@pytest.mark.parametrize(("shown", "printed"), [("a\n", "b\n"), ("a\n", "a\nb\n"), ("2 passed\n", "3 passed\n")])
def test_output_that_differs_is_a_fault(shown: str, printed: str) -> None:
    assert doc_blocks.difference(shown, printed) != ""
