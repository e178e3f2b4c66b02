"""Tasks that run tests: `main_pytest.py` for the nearest runnable dir."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, after_dashes, helpers_task

GROUP = Group.TESTS

_HELP = {
    "dir": "the runnable dir; default: the nearest enclosing one",
    "engine": "auto, docker or venv",
    "stage": "local: the image of this checkout; dev: the newest released one that fits",
}
_WORDS = "PYTEST_ARGUMENT..."
_VALUES = {"engine": "auto|docker|venv", "stage": "local|dev"}


@helpers_task(everyday=3, values=_VALUES, words=_WORDS, help=_HELP)
def run_fast_tests(_: Any, dir: str | None = None, engine: str = "auto", stage: str = "local") -> int:
    """Run the fast tests of a runnable dir.

    Arguments of pytest stand after two dashes: invoke run_tests -- -k smoothing -x
    """
    from helpers.driver import cli

    return cli.run_tier("fast", dir or "", engine, stage, after_dashes())


@helpers_task(values=_VALUES, words=_WORDS, help=_HELP)
def run_slow_tests(_: Any, dir: str | None = None, engine: str = "auto", stage: str = "local") -> int:
    """Run the slow tests of a runnable dir.

    Arguments of pytest stand after two dashes: invoke run_tests -- -k smoothing -x
    """
    from helpers.driver import cli

    return cli.run_tier("slow", dir or "", engine, stage, after_dashes())


@helpers_task(values=_VALUES, words=_WORDS, help=_HELP)
def run_superslow_tests(_: Any, dir: str | None = None, engine: str = "auto", stage: str = "local") -> int:
    """Run the superslow tests of a runnable dir.

    Arguments of pytest stand after two dashes: invoke run_tests -- -k smoothing -x
    """
    from helpers.driver import cli

    return cli.run_tier("superslow", dir or "", engine, stage, after_dashes())


@helpers_task(values=_VALUES, words=_WORDS, help=_HELP)
def run_tests(_: Any, dir: str | None = None, engine: str = "auto", stage: str = "local") -> int:
    """Run all tests of a runnable dir.

    Arguments of pytest stand after two dashes: invoke run_tests -- -k smoothing -x
    """
    from helpers.driver import cli

    return cli.run_tier("all", dir or "", engine, stage, after_dashes())


@helpers_task(
    values={**_VALUES, "tier": "fast|slow|superslow|all"},
    words=_WORDS,
    help={**_HELP, "tier": "fast, slow, superslow or all"},
)
def run_coverage(_: Any, dir: str | None = None, tier: str = "all", engine: str = "auto", stage: str = "local") -> int:
    """Run the tests of a runnable dir, and show the lines run.

    Its lock must have pytest-cov; what is measured, left out and demanded ('fail_under') is said by coverage's own
    settings in its pyproject.toml. Arguments of pytest stand after two dashes.
    """
    from helpers.driver import cli

    return cli.run_tier(tier, dir or "", engine, stage, after_dashes(), coverage=True)
