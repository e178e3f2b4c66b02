"""Leaves the note by which the same command has a head start the next time; `headstart.py` says what that is."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from helpers.driver import headstart, memo, prepared
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.remember import write
from helpers.driver.verdict import Status, Verdict
from helpers.driver.verdict_cache import VerdictCache
from helpers.engine.ownership import this_owner
from helpers.engine.seam import Engine
from helpers.model.stage import Stage

# How many directories a note tells of, those that were tested last.
_MOST = 64
# What is older was left by processes that were killed together with those that tidy up after them.
_OLD_SECONDS = 86400.0


def leave(
    options: argparse.Namespace, plan: Plan, kept: VerdictCache, engine: Engine | None, verdicts: Sequence[Verdict]
) -> None:
    """Write down how the containers were started that tests have just run in.

    Arguments:
        options: of the command line, with all its words as `argv`.
        plan: what was run.
        kept: the verdicts' store, which has asked what the files hold.
        engine: ran the tests; None where none ran, so that what was begun was begun in vain, and is not the next time.
        verdicts: on the directories of `plan`, in its order.
    """
    if kept.now is None or options.stage != Stage.LOCAL.value or options.coverage:
        return
    path = headstart.path_of(str(kept.root), options.argv)
    earlier: headstart.Note | None = memo.read(path)
    hows = earlier[2] if earlier else {}
    for item, verdict in list(zip(plan.dirs, verdicts, strict=True))[-_MOST:]:
        if verdict.status is Status.STOPPED:
            continue  # as it was
        hows.pop(item.name, None)
        if engine and (how := _how(item, verdict, engine, plan.tier, kept.arguments)):
            hows[item.name] = how
    failed = [verdict.name for verdict in verdicts if verdict.status is not Status.PASS]
    note: headstart.Note = (kept.now.asked_at, options.jobs, dict(list(hows.items())[-_MOST:]), failed)
    # A full disk only costs the next run its time.
    with suppress(OSError):
        write(path, memo.as_bytes(note))
        _tidy(Path(headstart.folder()))


def _how(item: DirPlan, verdict: Verdict, engine: Engine, tier: str, arguments: Sequence[str]) -> headstart.How | None:
    results = Path(headstart.RESULTS)
    spec = prepared.spec_of(item, verdict.image, tier, arguments, name=headstart.NAME, results=results)
    command = engine.start_command(prepared.to_wait(spec, results)) if spec else []
    if not spec or not command:
        return None
    words = [word.replace(this_owner(), headstart.OWNER) for word in command]
    writable = [mount.path for mount in spec.mounts if not mount.read_only]
    seen = [mount.path for mount in spec.mounts if mount.read_only]
    return words, _texts(prepared.mounted(spec)), _texts(seen), _texts([*spec.hidden, *writable]), verdict.seconds


def _texts(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths]


def _tidy(folder: Path) -> None:
    for left in folder.iterdir():
        if left.is_dir() and left.stat().st_mtime < time.time() - _OLD_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
