"""The page of real runs: what containers did is on it, from one machine and from the shards of several."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FAILS = """
    import time, pytest

    def test_it():
        print("<script>it printed</script>")
        assert 1 == 2

    def test_slow():
        time.sleep(0.3)
"""


def page(path: Path) -> str:
    """Return the page as a reader sees its text: its marks are left in."""
    return html.unescape(path.read_text("utf-8"))


def test_a_page_shows_what_ran_what_failed_and_what_was_cached(scratch: Scratch) -> None:
    scratch.add("fails", FAILS)
    scratch.add("kept", "def test_it(): pass", image="kept")
    assert scratch.run("--cached", "--engine", "docker", "--dir", "kept").code == 0
    target = scratch.root.parent / "page.html"
    for _ in range(2):
        assert scratch.run("--cached", "--engine", "docker", "--html", str(target)).code == 1
    text = page(target)
    assert "<script" not in target.read_text("utf-8") and "<script>it printed</script>" in text
    for said in (
        "tests failed",
        "assert 1 == 2",
        "fails/test/test_it.py:6",
        "cached",
        "When what ran",
        "2 runs",
        "0.3 s",
    ):
        assert said in text, said
    assert "main_pytest.py --engine docker --dir fails -- test/test_it.py::test_it" in text and "docker run" in text
    # What was cached took no time, and so is on no timeline.
    assert '<span class="name">fails' in text and '<span class="name">kept' not in text


def test_the_results_of_two_shards_are_joined_by_the_task(scratch: Scratch) -> None:
    for name in ("a", "b", "c"):
        scratch.add(name, FAILS if name == "b" else "def test_it(): pass", image=name)
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "first")
    folder = scratch.root.parent / "results"
    codes = []
    for number in (1, 2):
        (folder / str(number)).mkdir(parents=True)
        files = [f"--{kind}={folder / str(number) / f'result.{kind}'}" for kind in ("junit", "html")]
        result = scratch.run("--engine", "docker", "--shard", f"{number}/2", *files)
        (folder / str(number) / "result.json").write_text(json.dumps(result.report))
        codes.append(result.code)
    assert sorted(codes) == [0, 1]
    merge = ["report_merge", "--json", "all.json", "--junit", "all.xml", "--html", "all.html", "--", str(folder)]
    # A shard that was copied is refused before anything is written.
    (folder / "2" / "again.json").write_bytes((folder / "2" / "result.json").read_bytes())
    done = scratch.invoke(*merge)
    assert (done.returncode, "twice: shard 2/2" in done.stderr) == (2, True) and not (
        scratch.root / "all.json"
    ).exists()
    (folder / "2" / "again.json").unlink()
    done = scratch.invoke(*merge)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.endswith("3 passed, 1 failed, 0 skipped\n")
    data = json.loads((scratch.root / "all.json").read_text())
    assert [item["directory"] for item in data["directories"]] == ["a", "b", "c"]
    assert (scratch.root / "all.xml").read_text().count("<testsuite ") == 3
    text = page(scratch.root / "all.html")
    assert "shard 1/2" in text and "shard 2/2" in text and "assert 1 == 2" in text
