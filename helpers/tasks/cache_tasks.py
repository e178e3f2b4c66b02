"""Tasks on the verdicts that `main_pytest.py` keeps."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task

GROUP = Group.MACHINE


@helpers_task()
def cache_status(_: Any) -> int:
    """Show how many verdicts are kept, and what always runs.

    What passed is not run again until something changes that its container can see: files of the directory and of
    'uses', lock, image, settings, declared variables, arguments of pytest, helpers. 'main_pytest.py --no-cache'
    tests everything.
    """
    from helpers.driver import verdict_cache

    return verdict_cache.show()


@helpers_task(help={"dry-run": "only say what would be removed"})
def cache_clear(_: Any, dry_run: bool = False) -> int:
    """Forget all kept verdicts: the next run tests everything."""
    from helpers.driver import verdict_cache

    return verdict_cache.clear(dry_run=dry_run)
