import io
import json
from concurrent.futures import ThreadPoolExecutor

from shared.journal import Journal


def test_an_event_is_one_line_of_json() -> None:
    out = io.StringIO()
    Journal(out, clock=lambda: 0.0, service="links").note("started\n", port=1)
    assert json.loads(out.getvalue()) == {
        "time": "1970-01-01T00:00:00Z",
        "event": "started\n",
        "service": "links",
        "port": 1,
    }
    assert out.getvalue().count("\n") == 1


def test_what_json_does_not_know_is_written_as_text() -> None:
    out = io.StringIO()
    Journal(out).note("failed", why=ValueError("no"))
    assert json.loads(out.getvalue())["why"] == "no"


def test_threads_do_not_mix_their_lines() -> None:
    out = io.StringIO()
    journal = Journal(out)
    with ThreadPoolExecutor(8) as pool:
        for number in range(200):
            pool.submit(journal.note, "same", number=number)
    assert sorted(json.loads(line)["number"] for line in out.getvalue().splitlines()) == list(range(200))
