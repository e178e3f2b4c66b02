"""The data of package indexes about the files of a lock: their age, and yanked releases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from helpers import host
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import index_files, uploads, yanked
from helpers.model.poetry_lock import Pinned
from helpers.test import package_index
from helpers.test.package_index import Index
from helpers.test.unit_fixtures import cache

__all__ = ["cache"]


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with package_index.serve() as found:
        monkeypatch.setattr(host, "pip_index", lambda: found.url)
        yield found


def refusal(days: int, *packages: Pinned) -> str:
    with pytest.raises(PolicyError) as caught:
        uploads.refuse_younger(packages, days, Path("poetry.lock"))
    assert caught.value.exit_code == 4 and caught.value.where == "poetry.lock"
    return str(caught.value)


@pytest.mark.parametrize("html", [False, True])
def test_a_file_is_refused_until_it_is_old_enough(index: Index, html: bool) -> None:
    index.html = html
    file = index.add("a", "1.0", days=10)
    package = Pinned("a", "1.0", (file,))
    uploads.refuse_younger([package], 9, Path("poetry.lock"))
    said = refusal(11, package)
    assert f"{file}: uploaded 10.0 days ago" in said
    assert "127.0.0.1" not in said


@pytest.mark.parametrize("html", [False, True])
def test_an_unknown_age_is_not_an_old_one(index: Index, html: bool) -> None:
    index.html = html
    file = index.add("a", "1.0", days=None)
    for files in ((file,), ("a-1.0.tar.gz",)):
        assert f"{files[0]}: the index does not say when it was uploaded" in refusal(1, Pinned("a", "1.0", files))
    assert "unknown-1.whl: the index does not say" in refusal(1, Pinned("unknown", "1", ("unknown-1.whl",)))
    assert "b 1.0: comes from git" in refusal(1, Pinned("b", "1.0", (), "git", "https://x.invalid"))


@pytest.mark.parametrize("url", ["http://[x", "http://a b\n/", "http://127.0.0.1:x/", "http://\ud800/", "file:///etc"])
def test_a_lock_that_names_no_address_ends_no_run(url: str) -> None:
    package = Pinned("a", "1.0", ("a-1.0.whl",), "legacy", url)
    try:
        assert index_files.files_of(package, index_files.QUICK) == {}
    except InfrastructureError as error:
        assert "does not say what it has of a" in error.what


def test_what_lies_in_the_checkout_has_no_age_and_an_index_of_the_project_is_asked_itself(index: Index) -> None:
    file = index.add("a", "1.0", days=10)
    own = index.url
    index.url = "http://127.0.0.1:9/simple"
    uploads.refuse_younger([Pinned("b", "1.0", (), "directory", "../b")], 5, Path("poetry.lock"))
    uploads.refuse_younger([Pinned("a", "1.0", (file,), "legacy", own)], 5, Path("poetry.lock"))


def test_all_young_files_are_counted_and_the_first_are_named(index: Index) -> None:
    packages = [Pinned(f"p{number}", "1", (index.add(f"p{number}", "1", days=1),)) for number in range(12)]
    said = refusal(2, *packages)
    assert "12 of its files" in said and "p9-1-py3" in said and "p10-1-py3" not in said and "and 2 more" in said


# Withdrawn releases.


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("reason", ["broken wheel", ""])
def test_a_yanked_release_is_a_note_and_is_refused_on_demand(
    index: Index, cache: Path, capsys: pytest.CaptureFixture[str], html: bool, reason: str
) -> None:
    index.html = html
    package = Pinned("a", "1.0", (index.add("a", "1.0", days=10),))
    sound = Pinned("b", "1.0", (index.add("b", "1.0", days=10),))
    where = Path("/r/d/poetry.lock")
    index.yanked[package.files[0]] = reason
    yanked.tell([package, sound], where, "text")
    line = f"note: {where}: a 1.0 is yanked{f': {reason}' if reason else ''}"
    assert [line in text for text in capsys.readouterr().err.splitlines()] == [True]
    asked, index.asked = index.asked, []
    yanked.tell_remembered(where, "text")
    yanked.tell_remembered(where, "another text")
    said = capsys.readouterr().err
    assert line in said and said.count("note") == 1 and asked and index.asked == []
    with pytest.raises(PolicyError, match="1 of its releases are yanked") as caught:
        yanked.refuse([package, sound], where)
    assert caught.value.exit_code == 4 and str(caught.value.fix).endswith("--upgrade a")
    yanked.refuse([sound], where)


def test_an_index_that_does_not_answer_is_a_note_and_no_sound_answer(
    monkeypatch: pytest.MonkeyPatch, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "pip_index", lambda: "http://u:secret@127.0.0.1:9/simple")
    monkeypatch.setattr(yanked, "PATIENT", index_files.QUICK)
    packages = [Pinned("nobody", "1", ("nobody-1.whl",))]
    yanked.tell(packages, Path("poetry.lock"), "text")
    said = capsys.readouterr().err
    assert "whether its releases are yanked is not known" in said and "secret" not in said and "127.0.0.1" not in said
    with pytest.raises(InfrastructureError):
        yanked.refuse(packages, Path("poetry.lock"))


def test_an_address_in_a_lock_opens_no_file_and_is_asked_on_demand_only(
    index: Index, cache: Path, tmp_path: Path
) -> None:
    page = tmp_path / "a" / "index.html"
    page.parent.mkdir()
    page.write_text('<a href="a-1.whl" data-yanked="read">a</a>')
    yanked.refuse([Pinned("a", "1", ("a-1.whl",), "legacy", f"file://{tmp_path}")], Path("poetry.lock"))
    own = Pinned("a", "2", (index.add("a", "2", days=1),), "legacy", index.url)
    index.yanked[own.files[0]] = "gone"
    yanked.tell([own], Path("poetry.lock"), "text")
    assert index.asked == []
    with pytest.raises(PolicyError):
        yanked.refuse([own], Path("poetry.lock"))


@pytest.mark.slow
def test_an_index_that_does_not_answer_is_a_fault_that_does_not_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "pip_index", lambda: "http://u:secret@127.0.0.1:9/simple")
    with pytest.raises(InfrastructureError) as caught:
        uploads.refuse_younger([Pinned("a", "1", ("a-1.whl",))], 1, Path("poetry.lock"))
    assert "127.0.0.1" not in str(caught.value) and "secret" not in str(caught.value)
    assert "Connection refused" in str(caught.value)


def test_login_is_sent_to_no_server_that_a_redirect_names() -> None:
    seen: list[tuple[str, str | None]] = []
    servers: list[HTTPServer] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Host"], self.headers["Authorization"]))
            is_first = self.server is servers[0]
            self.send_response(302 if is_first else 200)
            self.send_header("Location", f"http://127.0.0.1:{servers[1].server_port}/simple/")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    servers += [HTTPServer(("127.0.0.1", 0), Answers) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    first, second = (server.server_port for server in servers)
    try:
        index_files._page(f"http://ann:secret@127.0.0.1:{first}/simple/", "a", index_files.Patience(1, 5))
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
    assert [host for host, _ in seen] == [f"127.0.0.1:{first}", f"127.0.0.1:{second}"]
    assert seen[0][1] and seen[1][1] is None
