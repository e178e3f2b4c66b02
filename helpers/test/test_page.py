"""The page that shows a run: what it says, that nothing on it does anything, and how a real browser takes it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from helpers.driver import history, measuring, merge
from helpers.driver.events import Event, Ran, Work
from helpers.driver.export import Files
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.report import page
from helpers.driver.report.page import Page
from helpers.driver.verdict import Status, Verdict
from helpers.engine.docker import DockerEngine
from helpers.engine.here import HereEngine
from helpers.engine.seam import Engine
from helpers.engine.venv import VenvEngine
from helpers.errors import UsageError
from helpers.model.graph import Step
from helpers.test.unit_fixtures import git, make_repo

# The environment that the page is made in comes from the package index.
pytestmark = [pytest.mark.host, pytest.mark.slow]

HOSTILE = "<script>document.title='ran'</script><b onclick=x>&amp;\"'</b>{{ 7 * 7 }}"
VOID = {"meta", "wbr", "br", "img", "link"}
FULL = json.dumps({"fail_under": 80, "files": {"/r/a.py": ["1-3", "4"], f"/r/{HOSTILE}": ["1-3", "", [], [[3, 5]]]}})


class Seen(HTMLParser):
    """What a strict reader sees: elements with their attributes, the text outside of styles, and what is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} is there twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += "" if self.open[-1:] == ["style"] else data


def a_run(folder: Path) -> Ran:
    """Return a run with all that a page can show, hostile wherever somebody else chooses the words."""
    results = folder / "results"
    results.mkdir(parents=True, exist_ok=True)
    failure = {
        **{"id": f"test_it.py::test[{HOSTILE}]", "file": str(folder / "a" / "t.py"), "line": 7, "message": HOSTILE},
        **{"text": f"E   {HOSTILE}", "sections": [[HOSTILE, f"\x1b[31mred\x1b[0m \x07{HOSTILE} {'x' * 3000}"]]},
    }
    (results / "failures").write_text(json.dumps(failure) + "\n")
    fails = Verdict(f"fails {HOSTILE}", Status.FAIL, 1, HOSTILE, {"failed": 1, "passed": 3}, 2.5, "sha256:1")
    fails = replace(fails, output=HOSTILE, failures=(HOSTILE,), log="/log", again=("ours", f"docker run {HOSTILE}"))
    fails = replace(fails, hints=(f"hint: {HOSTILE}",))
    crash = Verdict("crash", Status.CRASH, 8, "killed", output="the end", hints=fails.hints)
    passes = Verdict("passes", Status.PASS, 0, "cached", {"passed": 4}, 61.0, "sha256:2", cached=True, coverage=FULL)
    skip = Verdict("skip", Status.SKIP, 0, f"needs {HOSTILE}")
    found = [fails, crash, replace(passes, slowest=((HOSTILE, 3.25), ("quick", 0.001))), skip]
    return Ran(found, "docker", folder, {fails.name: results}, exit_code=8, interrupted=True, seconds=75.0)


def written(folder: Path) -> str:
    """Return the page of that run."""
    target = folder / "page.html"
    ran = a_run(folder)
    shown = Page(str(target), folder, "fast")
    steps = (Step("image i", ()), Step(f"test {ran.verdicts[0].name}", ("image i",)))
    shown.event(Event("done", "passes"))
    shown.begin(Work(Plan("fast", (DirPlan("x"),), {}, steps), 2))
    for kind, name in (
        ("building", "i"),
        ("built", "i"),
        ("testing", ran.verdicts[0].name),
        ("done", ran.verdicts[0].name),
    ):
        shown.event(Event(kind, name))
    shown.close()
    history.record(folder, "fast", ran.verdicts, "venv")
    history.record(folder, "fast", ran.verdicts, "docker")
    shown.end(ran)
    return target.read_text("utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a run that has everything."""
    return written(tmp_path_factory.mktemp("a repo"))


@pytest.fixture(scope="module")
def seen(text: str) -> Seen:
    """What a strict reader sees of it."""
    parser = Seen()
    parser.feed(text)
    parser.close()
    return parser


def test_what_may_help_stands_there_once_with_its_directories(text: str) -> None:
    (said,) = re.findall('<p class="hint">(.*?)</p>', text, re.DOTALL)
    assert unescape(re.sub("<[^>]*>", "", said)) == f"hint: {HOSTILE} fails {HOSTILE}, crash"


def test_each_time_is_named_with_the_engine_that_took_it(text: str) -> None:
    tables = [part.partition("</table>")[0] for part in text.split("<table>")[1:]]
    slowest = next(one for one in tables if "<th>test</th>" in one)
    assert re.findall(r"<td[^>]*>(\w*)</td></tr>", slowest) == ["docker"]
    runs = next(one for one in tables if "<th>when</th>" in one)
    assert re.findall(r"<td[^>]*>(\w*)</td></tr>", runs) == ["docker", "venv"]
    # The bars are comparable: those of one engine.
    assert re.findall('aria-label="the last (.*?), oldest first"', text) == ["run by docker"] * 2


def test_verdicts_are_kept_of_the_engine_that_the_page_says() -> None:
    engines: list[type[Engine]] = [DockerEngine, VenvEngine, HereEngine]
    assert [engine.name for engine in engines if engine.isolates] == [page.KEPT_OF]


def test_lines_that_no_test_reached_are_folded_below_the_table(text: str) -> None:
    section = text.partition('<h2 id="missed">')[2].partition("<h2")[0]
    assert section.count("<details") == 1 and "<details open" not in section and '<a href="#missed">' in text
    cells = [unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall("<td[^>]*>(.*?)</td>", section)]
    assert cells == [f"/r/{HOSTILE}", "3->5", "/r/a.py", "4"]


def test_it_is_well_formed_and_of_one_piece(seen: Seen) -> None:
    assert seen.open == []
    names = {name for name, _ in seen.elements}
    assert names & {"script", "link", "img", "iframe", "object", "form", "b onclick"} == set()
    ids = [attrs["id"] for _, attrs in seen.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for name, attrs in seen.elements:
        assert not [key for key in attrs if key.startswith("on") or key in ("style", "src", "action")], (name, attrs)
        assert not (attrs.get("href") or "#").strip("#").startswith(("http", "/", "javascript"))
        assert attrs.get("href", "#") in {"#", *(f"#{one}" for one in ids)}


def test_what_others_wrote_is_text_and_nothing_else(text: str, seen: Seen) -> None:
    assert "<script" not in text and "<b onclick" not in text and "\x1b" not in text and "\x07" not in text
    # In the name of the directory, why, the id, the text of the failure, what it printed, and a slow test.
    assert seen.text.count(HOSTILE) >= 7
    assert "red " + HOSTILE in seen.text and "{{ 7 * 7 }}" in seen.text


def test_the_policy_allows_its_own_style_alone(text: str, seen: Seen) -> None:
    (policy,) = (a["content"] or "" for n, a in seen.elements if a.get("http-equiv") == "Content-Security-Policy")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert any(attrs.get("name") == "viewport" for _, attrs in seen.elements)


@pytest.mark.parametrize(
    "said",
    [
        *("crashed (signal, out of memory, no verdict)", "1 min 15 s", "engine docker", "Interrupted", "a/t.py:7"),
        *("What did not pass", "Directories", "When what ran", "Slowest tests", "Last runs on this machine"),
        *(
            "the end of its output",
            "docker run",
            "75.00 %",
            "of 80 %",
            "3.2 s",
            "cached",
            "waits for a free slot (-j 2)",
        ),
        *("image i", "2 runs", "the end", "needs "),
    ],
)
def test_it_says(seen: Seen, said: str) -> None:
    assert said in seen.text


def test_a_test_that_took_no_time_is_none_of_the_slowest(seen: Seen) -> None:
    assert "quick" not in seen.text


def test_a_run_in_which_nothing_ran_has_a_page_too(tmp_path: Path) -> None:
    shown = Page(str(tmp_path / "page.html"), tmp_path, "all")
    shown.end(Ran([]))
    text = (tmp_path / "page.html").read_text()
    assert "exit code 0" in text and "When what ran" not in text and "What did not pass" not in text


def test_the_page_names_the_commit_and_changes(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "r")
    (root / "a.py").write_text("a = 1\n")
    git(root, "add", "a.py")
    git(root, "commit", "--quiet", "--message", "first")
    name = git(root, "rev-parse", "HEAD")[:12]
    assert Page("x", root, "fast").data(Ran([]))["commit"] == name
    (root / "a.py").write_text("a = 2\n")
    shown = Page(str(tmp_path / "page.html"), root, "fast")
    shown.end(Ran([]))
    assert f"commit {name} with uncommitted changes" in (tmp_path / "page.html").read_text()
    assert page.commit(tmp_path) == ""


def test_the_pages_of_shards_are_one(tmp_path: Path) -> None:
    shown = Page(str(tmp_path / "x"), tmp_path, "fast")
    one = Ran([Verdict("b", Status.PASS, 0)], "venv", tmp_path, {"b": tmp_path}, seconds=5.0)
    two = Ran([Verdict("a", Status.PASS, 0)], "docker", tmp_path, {"a": tmp_path}, seconds=9.0)
    pages: list[tuple[str, dict[str, Any]]] = [
        ("1/2", {**shown.data(one), "at": 100}),
        ("2/2", {**shown.data(two), "at": 103}),
    ]
    all_of_it = page.joined(pages, 6, "12 %")
    assert [item["name"] for item in all_of_it["directories"]] == ["a", "b"]
    assert (all_of_it["at"], all_of_it["seconds"], all_of_it["engine"], all_of_it["exit_code"]) == (
        100,
        12.0,
        "docker, venv",
        6,
    )
    assert [(line["name"], line["at"]) for line in all_of_it["timelines"]] == [("shard 1/2", 0), ("shard 2/2", 3)]
    page.write(str(tmp_path / "page.html"), all_of_it)
    assert "began 3.0 s after the first one" in (tmp_path / "page.html").read_text()


def test_report_merge_makes_the_page_of_what_the_shards_left(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        shown = Page(str(tmp_path / str(number) / "page.html"), tmp_path, "fast")
        shard = {"number": number, "of": 2, "split": "abc"}
        passes = Verdict(f"dir{number}", Status.PASS, 0, counts={"passed": number}, coverage=FULL)
        Files(str(tmp_path / str(number) / "r.json"), None, shard, shown).end(Ran([passes]))
    assert merge.main([str(tmp_path)], html=str(tmp_path / "all.html")) == 0
    text = (tmp_path / "all.html").read_text()
    assert "dir1" in text and "dir2" in text and "75.00 %" in text and "<b>3</b>" in text


def test_a_page_that_can_not_be_written_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write: No such file"):
        page.write(str(tmp_path / "no" / "page.html"), Page("x", tmp_path, "fast").data(Ran([])))
    with pytest.raises(UsageError, match="is no file"):
        Page("-", tmp_path, "fast")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy"),
        ("a\rb\x00\x9b1m\u202e", "a\nb"),
        ("tab\tand\nline\n\n", "tab\tand\nline"),
    ],
)
def test_what_steers_a_terminal_is_left_out(text: str, shown: str) -> None:
    assert page.readable(text) == shown


def test_the_share_of_all_directories_is_that_of_their_lines() -> None:
    assert page.total([Verdict("a", Status.PASS, 0, coverage=FULL), Verdict("b", Status.PASS, 0)]) == "75.00 %"
    assert page.total([Verdict("b", Status.PASS, 0)]) == ""
    assert measuring.measured(FULL)


def browse(folder: Path, text: str) -> str:
    """Return a page as a headless browser holds it when it has opened it."""
    file = folder / "browsed.html"
    file.write_text(text, "utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--virtual-time-budget=2000"]
    command = ["chromium", *words, "--dump-dom", file.as_uri()]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True).stdout


def script(lines: str) -> str:
    return f"<script>{lines}</script>"


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_runs_nothing_of_it(text: str, tmp_path: Path) -> None:
    found = browse(tmp_path, text.replace("</body>", script("document.body.id = 'ran'") + "</body>"))
    assert "<body>" in found and "<title>ran</title>" not in found and "What did not pass</h2>" in found


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_a_browser_shows_all_of_it_on_a_screen_and_on_a_phone(text: str, tmp_path: Path) -> None:
    # With scripts allowed, to measure; no window is as narrow as a phone, and a frame may be.
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    tell = f"[innerWidth, {beyond}, getComputedStyle(document.body).marginTop].join(' ')"
    allowed = text.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    (tmp_path / "page.html").write_text(
        allowed.replace("</body>", script(f"parent.postMessage({tell}, '*')") + "</body>")
    )
    frame = "<body>{}<iframe src='page.html' width='{}' height='900' frameborder='0'></iframe></body>"
    for width in (1280, 390):
        hear = script("onmessage = message => document.body.id = message.data")
        # Nothing is wider than the screen, and its style is in force.
        assert f'<body id="{width} 0 0px">' in browse(tmp_path, frame.format(hear, width))
