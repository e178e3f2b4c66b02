"""Merges the tests of all directories into one JUnit file: one suite a directory, files as they are named in the repo.

The form is the one that pytest writes and CI systems read. What they read beyond it is spelled as Maven's Surefire does
(https://maven.apache.org/surefire/maven-surefire-plugin/examples/rerun-failing-tests.html): `flakyFailure` for a test
that failed first and passed when it was run again.
"""

from __future__ import annotations

import os
import posixpath
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from helpers.console import printable
from helpers.driver import result_file
from helpers.driver.failures import Failure
from helpers.driver.results import JUNIT, MOST_JUNIT_BYTES, read_result
from helpers.driver.verdict import Status, Verdict

_OUTPUT_CHARACTERS = 20_000
# pytest's have five levels; Python writes a deep one by recursion, and fails.
_MOST_LEVELS = 20
_LINE = re.compile(r"[0-9]{1,9}")
_MOST_SECONDS = 1e9
# https://www.w3.org/TR/xml/#charsets
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COUNTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}
# A case counts once, whatever stands in it: what is left of all cases has passed.
_WORST_FIRST = ("error", "failure", "skipped")
# As in helpers/inside/helpers_verdict.py; a test compares.
OUTCOMES_PROPERTY = "helpers-outcomes"
# The part of a case by its outcome; an outcome outside of the table has no case.
_TAGS = {"passed": "", "xpassed": "", "skipped": "skipped", "xfailed": "skipped", "failed": "failure", "error": "error"}
_BY_TAG = {"skipped": "skipped", "failure": "failed", "error": "error"}
_CASE_PARTS = (*_WORST_FIRST, "system-out", "system-err")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,20}(?:Z|[+-][0-9:]{2,6})?")


def write(target: str, verdicts: Sequence[Verdict], results: Mapping[str, Path]) -> None:
    """Write all directories' tests as one JUnit file; a directory that has no verdict of its tests is an error in it.

    Arguments:
        target: the file.
        verdicts: of all directories.
        results: the directory with the results of the tests that ran, by the name of the runnable dir.

    Raises:
        UsageError: no file can be there.
        InfrastructureError: the disk is full or fails.
    """
    save(target, [suite(verdict, results.get(verdict.name)) for verdict in verdicts])


def save(target: str, suites: Sequence[ET.Element]) -> None:
    """Write suites as one JUnit file that says how many tests it has.

    Arguments:
        target: the file.
        suites: of all directories.

    Raises:
        UsageError: no file can be there.
        InfrastructureError: the disk is full or fails.
    """
    merged = ET.Element("testsuites", name="helpers")
    merged.extend(suites)
    for name in ("tests", *_COUNTS):
        merged.set(name, str(sum(int(one.get(name, "0")) for one in suites)))
    merged.set("time", f"{sum(float(one.get('time', '0')) for one in suites):.3f}")
    result_file.write(target, ET.tostring(merged, encoding="unicode", xml_declaration=True))


def suite_name(directory: str) -> str:
    """Return the name of the suite of a runnable dir, by its path relative to the root."""
    return _text(printable(directory))


def suite(verdict: Verdict, results: Path | None) -> ET.Element:
    """Return the suite of one directory.

    Arguments:
        verdict: on the directory.
        results: where its tests' results are; None where they did not run now.
    """
    own, fault = _own(verdict, results)
    found = ET.Element("testsuite", name=suite_name(verdict.name))
    if own and _TIMESTAMP.fullmatch(own[0].get("timestamp", "")):
        found.set("timestamp", own[0].get("timestamp", ""))
    if own and own[0].get("hostname"):
        found.set("hostname", own[0].get("hostname", ""))
    properties = ET.SubElement(found, "properties")
    properties.extend(one for part in own for one in part.findall("properties/property") if _is_property(one))
    said = {"verdict": verdict.status.value, "image": verdict.image, "cached": "true" if verdict.cached else ""}
    for name, value in said.items():
        if value:
            ET.SubElement(properties, "property", name=name, value=_text(value))
    found.extend(_runs([_case(one) for part in own for one in part.findall("testcase") if one.get("name")]))
    for case in found.iter("testcase"):
        _place(case, verdict.name)
    _mark_flaky(found, verdict.flaky)
    if not own or verdict.status not in (Status.PASS, Status.FAIL):
        found.append(_verdict_case(verdict, fault))
    _count(found, verdict)
    return found


def _own(verdict: Verdict, results: Path | None) -> tuple[list[ET.Element], str]:
    """Return the suites that pytest wrote, and why there are none that should be."""
    file = results / JUNIT if results else None
    data = read_result(file, MOST_JUNIT_BYTES) if file else verdict.junit
    if data is None:
        fault = f"its report is too long to be merged, or no plain file: {file}"
        return [], fault if os.path.lexists(str(file)) else ""
    try:
        whole = ET.fromstring(data)
        return ([], "its report is damaged") if _is_deep(whole) else (list(whole.iter("testsuite")), "")
    except (ET.ParseError, ValueError, LookupError):
        return [], ""


def _is_deep(whole: ET.Element) -> bool:
    level = [whole]
    for _ in range(_MOST_LEVELS):
        level = [child for one in level for child in one]
    return bool(level)


def _is_property(one: ET.Element) -> bool:
    return bool(one.get("name")) and one.get("value") is not None and not len(one)


def _case(own: ET.Element) -> ET.Element:
    """Return a case of a directory's own report, whatever a test wrote there, in the form that readers can take."""
    case = ET.Element("testcase", own.attrib)
    if "time" in case.attrib:
        case.set("time", f"{_seconds(own):.3f}")
    if not _LINE.fullmatch(case.get("line", "0")):
        del case.attrib["line"]
    for part in own:
        if part.tag == "properties":
            properties = ET.SubElement(case, "properties")
            properties.extend(one for one in part.findall("property") if _is_property(one))
        elif part.tag in _CASE_PARTS and not len(part):
            case.append(part)
    return case


def _seconds(case: ET.Element) -> float:
    try:
        seconds = float(case.get("time", "0"))
    except ValueError:
        return 0.0
    return seconds if 0.0 <= seconds < _MOST_SECONDS else 0.0


def _runs(cases: Sequence[ET.Element]) -> Iterator[ET.Element]:
    """Yield a case for each outcome in the last line of pytest.

    pytest writes a single case for the failed parts of a test, and for a passed test with an error in its teardown.
    """
    begun: dict[tuple[str | None, str | None], list[ET.Element]] = {}
    for case in cases:
        of_test = begun.setdefault((case.get("classname"), case.get("name")), [])
        of_test.append(case)
        if words := _words(case):
            yield from _by_outcome(of_test, words)
            of_test.clear()
    # A file with a failed import has no outcomes.
    for of_test in begun.values():
        yield from _by_outcome(of_test, [_BY_TAG[part.tag] for part in _ends(of_test)] or ["passed"] * len(of_test))


def _words(case: ET.Element) -> list[str]:
    """Remove the outcomes of our plugin from a case and return them; empty without outcomes."""
    noted: list[str] = []
    for properties in case.findall("properties"):
        for one in properties.findall(f"property[@name='{OUTCOMES_PROPERTY}']"):
            noted = one.get("value", "").split()
            properties.remove(one)
        if not len(properties):
            case.remove(properties)
    return noted


def _ends(cases: Sequence[ET.Element]) -> list[ET.Element]:
    return [part for case in cases for part in case if part.tag in _WORST_FIRST]


def _by_outcome(cases: Sequence[ET.Element], words: Sequence[str]) -> Iterator[ET.Element]:
    """Yield a case for each word; the first case has every part except the ends."""
    ends = _ends(cases)
    more = [part for case in cases for part in case if part.tag not in _WORST_FIRST]
    seconds = sum(map(_seconds, cases))
    for word in words:
        if word not in _TAGS:
            continue
        case = ET.Element("testcase", cases[0].attrib)
        if "time" in case.attrib:
            case.set("time", f"{seconds:.3f}")
        if tag := _TAGS[word]:
            end = next((part for part in ends if part.tag == tag), None)
            if end is not None:
                ends.remove(end)
            case.append(ET.Element(tag) if end is None else end)
        case.extend(more)
        yield case
        seconds, more = 0.0, []


def _place(case: ET.Element, directory: str) -> None:
    """Name the file of a test as it is named in the repo, and count its lines from 1; pytest counts them from 0."""
    if file := case.get("file"):
        case.set("file", posixpath.normpath(posixpath.join(suite_name(directory), file)))
    if line := case.get("line"):
        case.set("line", str(int(line) + 1))
    if not case.get("classname"):
        # That of a file that could not be imported; readers order cases by it.
        case.set("classname", suite_name(directory))


def _mark_flaky(found: ET.Element, flaky: Sequence[Failure]) -> None:
    by_name = {(case.get("classname"), case.get("name")): case for case in found.iter("testcase")}
    for failure in flaky:
        case = by_name.get(_names(failure.test))
        if case is not None:
            kind = re.match(r"[\w.]+", failure.message)
            mark = ET.Element("flakyFailure", message=_text(failure.message), type=kind[0] if kind else "failure")
            ET.SubElement(mark, "stackTrace").text = _text(failure.text)
            # What it printed stands last.
            first = next((at for at, one in enumerate(case) if one.tag.startswith("system-")), len(case))
            case.insert(first, mark)


def _names(test: str) -> tuple[str, str]:
    """Return the names of class and case that pytest gives a test with this id in its report."""
    path, bracket, parameters = test.partition("[")
    file, *rest = path.split("::")
    parts = [file.removesuffix(".py").replace("/", "."), *rest]
    return ".".join(parts[:-1]), f"{parts[-1]}{bracket}{parameters}"


def _verdict_case(verdict: Verdict, fault: str) -> ET.Element:
    case = ET.Element("testcase", classname=suite_name(verdict.name), name="verdict")
    case.set("time", f"{verdict.seconds:.3f}")
    why = fault or verdict.told
    tag = "skipped" if verdict.status is Status.SKIP else "error"
    ET.SubElement(case, tag, type=verdict.status.value, message=_text(f"{verdict.status.value}: {why}"))
    if verdict.output:
        ET.SubElement(case, "system-out").text = _text(verdict.output[-_OUTPUT_CHARACTERS:])
    return case


def _count(found: ET.Element, verdict: Verdict) -> None:
    cases = found.findall("testcase")
    found.set("tests", str(len(cases)))
    worst = [next((tag for tag in _WORST_FIRST if case.find(tag) is not None), "") for case in cases]
    for name, tag in _COUNTS.items():
        found.set(name, str(worst.count(tag)))
    found.set("time", f"{verdict.seconds:.3f}")


def _text(text: str) -> str:
    """Return `text` without what XML can not hold."""
    return _NO_XML.sub("", text)
