"""What GitHub Actions is shown, and that nothing which a test prints becomes a workflow command or markup."""

from __future__ import annotations

import html
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from helpers.driver import remember, report
from helpers.driver.events import Event, Ran, Work
from helpers.driver.failures import Failure
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.report import OnTerminal, summary
from helpers.driver.report.github import GitHub, command, inert
from helpers.driver.report.lines import Lines, Quiet
from helpers.driver.report.summary import Summary, markdown, plain
from helpers.driver.report.table import Table
from helpers.driver.verdict import Status, Verdict

PASS = Verdict("a", Status.PASS, 0, counts={"passed": 2}, seconds=1.2, output="all well\n", log="/l")
FAIL = Verdict(
    "dir/b",
    Status.FAIL,
    1,
    "test/test_it.py::test_it",
    {"failed": 1},
    output="::error::not ours\n",
    failures=("test/test_it.py::test_it",),
    log="/l",
    again=("./main_pytest.py --dir dir/b",),
    details=(Failure("test/test_it.py::test_it", "dir/b/test/test_it.py", 7, "assert 50% == 1\nmore, and: more"),),
)
CRASH = Verdict("c", Status.CRASH, 8, "killed by signal 9", output="last")
FLAKY = replace(PASS, flaky=(Failure("t.py::f", "a/t.py", 3, "first"), Failure("t.py::f", "a/t.py", 3, "second")))


def shown(*verdicts: Verdict, verbose: bool = False, quiet: bool = False) -> list[str]:
    stream = io.StringIO()
    github = GitHub(stream, verbose=verbose, quiet=quiet)
    for verdict in verdicts:
        github.event(Event("done", verdict.name, verdict=verdict))
    github.close()
    return stream.getvalue().splitlines()


def runs(line: str) -> bool:
    """Say whether the runner takes a line for a command: it does so by the same two questions."""
    return line.strip().startswith("::") or "##[" in line


def test_a_directory_s_output_is_a_group_and_each_failure_an_annotation_in_its_file() -> None:
    assert shown(PASS) == [
        "::group::PASS a 2 passed (1.2 s)",
        "output of a (whole: /l)",
        "  | all well",
        "::endgroup::",
    ]
    assert shown(FAIL) == [
        "::group::FAIL dir/b 1 failed (0.0 s): test/test_it.py::test_it",
        "output of dir/b (whole: /l)",
        "  | ::error::not ours",
        "::endgroup::",
        "again: ./main_pytest.py --dir dir/b",
        "::error file=dir/b/test/test_it.py,line=7,title=dir/b%3A test/test_it.py%3A%3Atest_it"
        "::assert 50%25 == 1%0Amore, and: more",
    ]


def test_a_directory_without_a_verdict_of_its_tests_is_an_annotation_too() -> None:
    assert shown(CRASH)[-1] == "::error title=c%3A CRASH::killed by signal 9"
    assert shown(replace(CRASH, output=""))[0] == "CRASH c (0.0 s): killed by signal 9"


def test_a_flaky_test_is_one_warning() -> None:
    warnings = [line for line in shown(FLAKY) if line.startswith("::warning")]
    assert warnings == [
        "::warning file=a/t.py,line=3,title=a%3A t.py%3A%3Af::flaky: it passed when it was run again%0Afirst"
    ]


def test_quiet_shows_only_what_did_not_pass() -> None:
    assert shown(PASS, quiet=True) == [] and shown(CRASH, quiet=True) == shown(CRASH)
    stream = io.StringIO()
    quiet = GitHub(stream, quiet=True)
    quiet.event(Event("testing", "a", "/r"))
    quiet.event(Event("building", "a", "building a"))
    assert stream.getvalue() == ""


def test_verbose_shows_output_as_it_comes_and_so_in_no_group(tmp_path: Path) -> None:
    stream = io.StringIO()
    github = GitHub(stream, verbose=True)
    github.begin(Work(Plan("fast", (DirPlan("::error::x"), DirPlan("b")), {}, ()), 1))
    (tmp_path / "output.log").write_text("::error::forged\n##[error]forged\n")
    github.event(Event("testing", "::error::x", str(tmp_path / "results")))
    github.event(Event("done", "::error::x", verdict=replace(FAIL, name="::error::x", details=())))
    github.close()
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["testing ::error::x", ": :error::x | ::error::forged", ": :error::x | # #[error]forged"]
    assert [line for line in lines if runs(line)] == [
        "::error title=%3A%3Aerror%3A%3Ax%3A FAIL::test/test_it.py::test_it"
    ]


HOSTILE = {
    "an error": "::error::forged",
    "blanks before": " \t ::error file=x::forged",
    "a stop": "::stop-commands::token\n::token::",
    "an old one": "words ##[error]forged",
    "an old one in colour": "#\x1b[0m#[error]forged",
    "a return": "progress\r::error::forged",
    "a title": "\x1b]0;x\x07::error::forged",
    "a mask": "::add-mask::a",
    "a group": "::endgroup::\n::group::x",
    "escapes": "%0A::error::forged",
    "colons": ":::::error::x",
    "other ends of lines": "x\u2028::error::y\x85::error::z\x0b::error::w\x0c::error::v",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_a_test_prints_or_is_called_is_a_command(name: str) -> None:
    text = HOSTILE[name]
    hostile = Failure(text, text, 3, text, text, ((text, text),))
    verdict = Verdict(
        text,
        Status.FAIL,
        1,
        text,
        output=f"{text}\n{text}",
        log=text,
        again=(text,),
        details=(hostile,),
        flaky=(hostile,),
    )
    lines = re.split("[\r\n]", "\n".join(shown(verdict)))
    commands = [line for line in lines if runs(line)]
    kinds = [re.match(r"::([a-z]+)", line) for line in commands]
    assert [kind and kind[1] for kind in kinds] == ["group", "endgroup", "error", "warning"]
    # A command's own text may be shown as it is, but not what the log of a step makes something of.
    assert not [line for line in commands[:2] if "##[" in line]
    # An annotation's own properties end where ours do.
    assert all(re.fullmatch(r"::error file=[^,:]*,line=3,title=[^,:]*::.*", line) for line in commands[2:3])


def test_commands_are_escaped_as_the_toolkit_does() -> None:
    assert command("error", "a%b\r\nc:d,e", file="a%,:\nb", line="") == "::error file=a%25%2C%3A%0Ab::a%25b%0D%0Ac:d,e"
    assert command("endgroup") == "::endgroup::"
    assert inert("  ::x\n:::y\na::b ##[z") == "  : :x\n: ::y\na::b # #[z"


class Markup(HTMLParser):
    """The tags of a summary, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.data = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.data += data


def test_the_summary_has_a_row_for_each_directory_what_did_not_pass_first() -> None:
    text = markdown(Ran([PASS, replace(PASS, name="k", cached=True, why="cached"), FAIL], seconds=3.21, exit_code=1))
    lines = text.splitlines()
    assert lines[0] == "### ❌ 3 directories&#58; 2 PASS, 1 FAIL"
    assert lines[2] == "4 passed, 1 failed, 0 skipped; 3.2 s"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert [row[0] for row in rows[2:]] == ["dir&#47;b", "a", "k"]
    assert rows[2][1:7] == ["❌ FAIL", "", "1", "", "", "0.0 s"]
    assert rows[4][6:] == ["cached", ""]
    assert "<pre>./main_pytest.py --dir dir/b</pre>" in lines
    assert any(line.startswith("- test&#47;test&#95;it") and "assert 50% &#61;&#61; 1" in line for line in lines)
    assert markdown(Ran([PASS])).startswith("### ✅ 1 directory")


@pytest.mark.parametrize(
    "text",
    [
        "</pre></details><script>alert(1)</script>",
        "a|b|c",
        "`code` **bold** [link](http://x) ![i](http://x) @user #1 www.example.com https://x.y",
        "\n\n# head\n",
        "&lt;b&gt;",
        "\x1b[31m<b>",
    ],
)
def test_what_a_summary_names_is_text_and_no_markup(text: str) -> None:
    one = Failure(text, "f.py", 1, text)
    verdict = Verdict(text, Status.FAIL, 1, text, output=text, details=(one,), flaky=(one,), again=(text,))
    written = markdown(Ran([verdict]))
    parser = Markup()
    parser.feed(written)
    assert parser.tags == {"details", "summary", "pre"}
    (row,) = [line for line in written.splitlines() if "FAIL |" in line]
    assert row.count("|") == 9
    for line in written.splitlines():
        if not line.startswith(("<", "|", "###")):
            outside = re.sub(r"&#\\d+;", "", line) if "<pre>" not in written[: written.index(line)] else ""
            assert not re.search(r"[`*\[\]<>@]|https?:|www\.", outside)


def test_text_in_markdown_is_read_as_it_was() -> None:
    import html

    assert html.unescape(plain("a|b <c> `d` *e* é 語")) == "a|b <c> `d` *e* é 語"


def test_what_helps_several_directories_stands_in_the_summary_once_and_as_text() -> None:
    hint = "hint: set `network` to <b>"
    text = markdown(Ran([replace(FAIL, hints=(hint,)), replace(FAIL, name="other", hints=(hint,))]))
    (line,) = (line for line in text.splitlines() if line.startswith("hint"))
    assert html.unescape(line) == f"hint ({FAIL.name}, other): set `network` to <b>"
    assert "<b>" not in line and "`" not in line


def test_a_summary_stays_below_what_github_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [replace(FAIL, name=f"d{number}", output=8000 * "語") for number in range(3000)]
    text = markdown(Ran(many))
    assert len(text.encode()) < 1_000_000
    assert "more are only in the log" in text
    monkeypatch.setattr(summary, "_MOST_BYTES", 3000)
    assert "more directories" in markdown(Ran(many))


def test_a_summary_is_added_to_what_is_there_and_fails_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    Summary(file).end(Ran([PASS]))
    Summary(file).end(Ran([FAIL]))
    assert file.read_text().startswith("before\n### ✅ ") and file.read_text().count("### ") == 2
    Summary(tmp_path / "no" / "such").end(Ran([PASS]))
    assert "no step summary" in capsys.readouterr().err


def chosen(**options: bool | str) -> list[str]:
    return [type(one).__name__ for one in report.choose(**options).members]  # type: ignore[arg-type]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_watches_a_run_depends_on_where_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    assert chosen() == [OnTerminal.__name__, Table.__name__]
    assert chosen(quiet=True) == [Quiet.__name__, Table.__name__]
    assert chosen(json="-", table=True) == [OnTerminal.__name__, "Files"]
    assert chosen(table=False) == [OnTerminal.__name__]
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert chosen(junit="x") == [Lines.__name__, Table.__name__, "Files"]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/s")
    assert chosen() == [GitHub.__name__, Table.__name__, Summary.__name__]
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert chosen(json="-") == [GitHub.__name__, "Files"]


@pytest.mark.parametrize("github", ["", "true"])
@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_run_that_only_prints_can_be_remembered(
    monkeypatch: pytest.MonkeyPatch, github: str, quiet: bool, stream: type[io.StringIO]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("GITHUB_ACTIONS", github)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setattr("sys.stderr", stream())
    assert set(chosen(quiet=quiet)) <= remember._PRINTING
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/s")
    assert (set(chosen(quiet=quiet)) <= remember._PRINTING) == (not github)


def test_the_table_in_github_s_log_has_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = replace(FAIL, name="::error::x", why="##[error]x", flaky=(Failure("::error::y"),))
    for folder in (None, Path("/runs")):
        Table(safe=inert).end(Ran([hostile], directory=folder))
        assert [line for line in capsys.readouterr().out.splitlines() if runs(line)] == []


def test_a_quiet_table_is_its_last_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Table(quiet=True).end(Ran([FLAKY, CRASH], seconds=1))
    assert capsys.readouterr().out.splitlines() == [
        "flaky a: t.py::f",
        "2 directories: 1 PASS, 1 CRASH; 1.0 s",
        "2 passed, 0 failed, 0 skipped, 1 flaky",
    ]


def test_quiet_lines_are_those_of_what_did_not_pass() -> None:
    stream = io.StringIO()
    quiet = Quiet(stream)
    for event in (Event("testing", "a", "/r"), Event("weaker", "a", "x"), Event("done", "a", verdict=PASS)):
        quiet.event(event)
    quiet.event(Event("done", "c", verdict=CRASH))
    assert stream.getvalue().splitlines() == [
        "CRASH c (0.0 s): killed by signal 9",
        "output of c (whole: )",
        "  | last",
    ]
