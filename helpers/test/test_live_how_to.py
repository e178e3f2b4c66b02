"""The commands of the how-to that need an engine, in one repo and with one registry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.test import doc_table, scratch_images
from helpers.test.conftest import images_removed
from helpers.test.doc_repo import DocRepo
from helpers.test.registry_fixtures import docker_registry

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocRepo]:
    home = tmp_path_factory.mktemp("docs")
    with docker_registry(home) as registry:
        made = DocRepo(home, registry)
        with images_removed("adopted", "forecast"):
            yield made
        made.forget()
        scratch_images.over.append(made.prefix)
        assert made.leftovers() == []


@pytest.mark.parametrize(("page", "section"), doc_table.sections(live=True))
def test_commands_of_a_section_work_with_an_engine(repo: DocRepo, page: str, section: str) -> None:
    repo.reset()
    faults = repo.shell.faults(page, section)
    assert faults == [], "\n".join(faults)
