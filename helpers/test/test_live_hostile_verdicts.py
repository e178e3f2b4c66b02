"""Tests that forge a PASS: the verdict is pytest's report, and the nonce is out of their reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.test.conftest import Result, scratch_repo
from helpers.test.hostile_tests import ATTACKS, DOORS, FILLS, MAKES_MANY

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """The single run of every attack."""
    with scratch_repo(tmp_path_factory.mktemp("hostile") / "repo") as scratch:
        for number, attack in enumerate(ATTACKS.values()):
            scratch.add(f"d{number}", attack, image=f"d{number}")
        scratch.add("doors", DOORS, image="doors")
        scratch.add("fills", FILLS, image="fills")
        scratch.add("makes-many", MAKES_MANY, image="makes-many", settings='memory = "200m"\n')
        yield scratch.run("--engine", "docker", "-j", "2")


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_turns_a_failure_into_a_pass(attack: str, result: Result) -> None:
    item = result.verdicts[f"d{list(ATTACKS).index(attack)}"]
    assert item["verdict"] in ("FAIL", "CRASH"), item


def test_no_process_of_the_tests_reads_the_memory_or_the_input_of_the_runner(result: Result) -> None:
    assert result.of("doors") == ("PASS", 0), result.stderr


def test_tests_that_fill_the_directory_of_results_are_a_crash_and_leave_nothing_here(result: Result) -> None:
    item = result.verdicts["fills"]
    assert (item["verdict"], item["why"].partition(" (")[0]) == ("CRASH", "its tests filled the directory of results")
    assert result.verdicts["makes-many"]["verdict"] in ("CRASH", "FAIL")
    run = Path(item["log"]).parents[1]
    files = [path for path in run.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 16 << 20 and len(files) < 200
