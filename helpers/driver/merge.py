"""Joins the results of the shards of one run: the JSON of each, and what lies beside it."""

from __future__ import annotations

import copy
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import errors
from helpers.driver import export
from helpers.driver import junit as junit_file
from helpers.driver.events import Ran
from helpers.driver.failures import Failure
from helpers.driver.report.coverage import print_coverage
from helpers.driver.report.table import Table
from helpers.driver.verdict import Status, Verdict
from helpers.errors import UsageError

_FIX = "main_pytest.py --shard I/N --json FILE, on each machine, for the same commit with the same arguments"


def main(words: Sequence[str], *, json_file: str = "", junit: str = "", html: str = "") -> int:
    """Join the results of all shards of a run, print one table, and return the worst exit code of them.

    Arguments:
        words: files that `--json` wrote, and directories that hold some, at any depth.
        json_file: the joined result; empty: none.
        junit: one JUnit file of all; empty: none.
        html: one page of all; empty: none.

    Raises:
        UsageError: a shard is missing, is there twice, is not of the same split or was run by another engine; a file
            can not be read or written.
    """
    files = Counter(_files(words))
    found = {file: one for file in files if (one := _read(file, named=str(file) in words))}
    check(found, [str(file) for file, times in files.items() if times > 1])
    export.check_writable(json_file)
    export.check_writable(junit)
    export.check_writable(html)
    merged = joined(list(found.values()))
    if junit:
        _write_junit(junit, found)
    verdicts = [verdict_of(one) for one in merged["directories"]]
    if html:
        _write_page(html, found, int(merged["exit_code"]), verdicts)
    if json_file:
        export.write_json(json_file, merged)
    if json_file != "-":
        if any(verdict.coverage for verdict in verdicts):
            print_coverage(verdicts)
        Table().end(Ran(verdicts, merged["engine"], interrupted=merged["interrupted"], seconds=seconds_of(merged)))
    return int(merged["exit_code"])


def _files(words: Sequence[str]) -> list[Path]:
    found = []
    for path in map(Path, words):
        found += sorted(path.rglob("*.json")) if path.is_dir() else [path]
    return found


def _read(file: Path, *, named: bool) -> dict[str, Any]:
    """Return the result of a shard; nothing for a file that is none and that nobody has named."""
    try:
        data = json.loads(file.read_bytes())
        shard = data["shard"]
        # What the following stands on, here and in what it calls.
        _ = (
            int(shard["number"]),
            int(shard["of"]),
            str(shard["split"]),
            int(data["exit_code"]),
            data["interrupted"],
            data["engine"],
        )
        _ = [verdict_of(one) for one in data["directories"]]
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=file, fix=_FIX) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        if not named:
            return {}
        raise UsageError("is not the result of a shard", where=file, fix=_FIX) from None
    return dict(data)


def check(found: dict[Path, dict[str, Any]], again: Sequence[str] = ()) -> None:
    """Return when the results are those of all shards of one split, each of them once.

    Arguments:
        found: what each file holds.
        again: the files that were given more than once, which is one too many only where a shard is missing.

    Raises:
        UsageError: they are not; the message names what is wrong.
    """
    if not found:
        raise UsageError("no result of a shard was found", fix="invoke report_merge -- FILE_OR_DIR...")
    first, *rest = found
    one = found[first]["shard"]
    for file in rest:
        other = found[file]["shard"]
        if (other["split"], other["of"]) != (one["split"], one["of"]):
            raise UsageError(
                f"shard {_name(other)} is of the split {other['split']}, and {_name(one)} in {first} of {one['split']}",
                where=file,
                why="another commit, other directories, durations or arguments were split there",
                fix=_FIX,
            )
    _check_engines(found)
    numbers = Counter(int(data["shard"]["number"]) for data in found.values())
    twice = [f"{number}/{one['of']}" for number, times in sorted(numbers.items()) if times > 1]
    missing = [f"{number}/{one['of']}" for number in range(1, int(one["of"]) + 1) if number not in numbers]
    named = Counter(item["directory"] for data in found.values() for item in data["directories"])
    double = sorted(name for name, times in named.items() if times > 1)
    faults = [
        f"{what} {', '.join(names)}"
        for what, names in (
            ("missing: shard", missing),
            ("given more than once: file", again if missing else ()),
            ("twice: shard", twice),
            ("twice: directory", double),
        )
        if names
    ]
    if faults:
        raise UsageError("; ".join(faults), why=f"given were {', '.join(map(str, found))}", fix=_FIX)


def _check_engines(found: dict[Path, dict[str, Any]]) -> None:
    """Return when all shards that ran something ran it by the same engine; a split knows only which one was asked for.

    Raises:
        UsageError: they did not.
    """
    files = {str(data["engine"]): file for file, data in found.items() if data["engine"]}
    if len(files) > 1:
        (one, first), (other, file), *_ = files.items()
        raise UsageError(
            f"shard {_name(found[file]['shard'])} was run by the engine {other}, "
            f"and {_name(found[first]['shard'])} in {first} by {one}",
            where=file,
            why="--engine auto, the default, takes venv on a machine where no docker engine answers",
            fix="say --engine docker, or --engine venv, on each machine",
        )


def _name(shard: dict[str, Any]) -> str:
    return f"{shard['number']}/{shard['of']}"


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one result of those of all shards, directories by name, as `main_pytest.py --json` would write it."""
    return {
        "exit_code": errors.worst(int(part["exit_code"]) for part in parts),
        "interrupted": any(part["interrupted"] for part in parts),
        # One that found all verdicts kept asked none.
        "engine": next((part["engine"] for part in parts if part["engine"]), ""),
        "directories": sorted((item for part in parts for item in part["directories"]), key=lambda it: it["directory"]),
        "lost_tests": sorted({str(name) for part in parts for name in part.get("lost_tests", ())}),
        "shards": sorted(
            ({**part["shard"], "exit_code": part["exit_code"]} for part in parts), key=lambda it: it["number"]
        ),
    }


def seconds_of(merged: dict[str, Any]) -> float:
    """Return how long the tests of all directories took, one after the other."""
    return float(sum(item["seconds"] for item in merged["directories"] if not item["cached"]))


def verdict_of(data: dict[str, Any]) -> Verdict:
    """Return the verdict on a directory that a result holds.

    Raises:
        ValueError, KeyError, TypeError: it holds none.
    """
    hints = tuple(map(str, data.get("hints", ())))
    return Verdict(
        data["directory"],
        Status(data["verdict"]),
        int(data["exit_code"]),
        str(data["why"]).removesuffix("; ".join(hints)).removesuffix("; "),
        {what: int(data[what]) for what in ("passed", "failed", "skipped")},
        float(data["seconds"]),
        str(data["image"]),
        failures=tuple(map(str, data["failures"])),
        log=str(data["log"]),
        cached=bool(data["cached"]),
        again=tuple(map(str, data["again"])),
        flaky=tuple(Failure(str(test)) for test in data.get("flaky", ())),
        coverage=json.dumps(data["coverage"]) if "coverage" in data else "",
        hints=hints,
    )


def _write_junit(target: str, found: dict[Path, dict[str, Any]]) -> None:
    merged: list[ET.Element] = []
    for file, data in found.items():
        beside = _beside(data, "junit", file)
        try:
            suites = [copy.copy(suite) for suite in ET.parse(beside).getroot()]
        except OSError as error:
            raise UsageError(
                f"the JUnit file of shard {_name(data['shard'])} cannot be read: {error.strerror}",
                where=beside,
                fix="put the file there, or leave out --junit",
            ) from None
        except ET.ParseError as error:
            raise UsageError(
                f"the JUnit file of shard {_name(data['shard'])} is not XML: {error}",
                where=beside,
                fix="put the file of that shard there, or leave out --junit",
            ) from None
        _check_suites(data, suites, beside)
        merged += suites
    junit_file.save(target, sorted(merged, key=lambda suite: suite.get("name", "")))


def _check_suites(data: dict[str, Any], suites: Sequence[ET.Element], beside: Path) -> None:
    """Return when the suites are those of the shard's own directories; no other shard's are, as no directory is in two.

    Raises:
        UsageError: they are not.
    """
    wanted = sorted(junit_file.suite_name(item["directory"]) for item in data["directories"])
    there = sorted(suite.get("name", "") for suite in suites)
    if wanted != there:
        another = f"junit-{data['shard']['number']}.xml"
        raise UsageError(
            f"is not the JUnit file of shard {_name(data['shard'])}: it has suites of {', '.join(there) or 'nothing'}, "
            f"and the shard's directories are {', '.join(wanted) or 'none'}",
            where=beside,
            why="files of the same name overwrite each other when those of all shards are put into one directory",
            fix=f"keep each shard's files in a directory of its own, or run it with --junit {another}",
        )


def _write_page(target: str, found: dict[Path, dict[str, Any]], exit_code: int, verdicts: Sequence[Verdict]) -> None:
    from helpers.driver.report import page  # few ask for one

    parts = sorted(found.items(), key=lambda one: int(one[1]["shard"]["number"]))
    pages = [(_name(data["shard"]), _page(data, file)) for file, data in parts]
    page.write(target, page.joined(pages, exit_code, page.total(verdicts)))


def _page(data: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return what the page of a shard shows."""
    if isinstance(data.get("page"), dict):
        return dict(data["page"])
    raise _not_written(data, "html", file)


def _beside(data: dict[str, Any], what: str, file: Path) -> Path:
    """Return the path of another file that the shard wrote: where it lay, seen from the result, or next to that."""
    if name := data.get(what):
        near = file.with_name(Path(name).name)
        lay = file.parent / str(name)
        return near if near.is_file() and not lay.is_file() else lay
    raise _not_written(data, what, file)


def _not_written(data: dict[str, Any], what: str, file: Path) -> UsageError:
    return UsageError(
        f"shard {_name(data['shard'])} wrote no file for --{what}", where=file, fix=f"run it with --{what} FILE, too"
    )
