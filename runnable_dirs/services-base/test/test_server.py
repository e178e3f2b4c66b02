import io
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from shared.journal import Journal
from web.server import MOST_BYTES, Refused, Request, Routes, answer, serving


def double(request: Request) -> tuple[int, Any]:
    if not isinstance(request.body, int):
        raise Refused(422, "give a number")
    return 200, request.body * 2


ROUTES: Routes = {("POST", "double"): double, ("GET", "echo"): lambda request: (200, request.rest)}


def asked(method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    return answer(ROUTES, method, path, lambda: body, {})


def test_a_route_gets_the_rest_of_the_path_and_the_body() -> None:
    assert asked("GET", "/echo/a/b") == (200, "a/b")
    assert asked("POST", "/double", b"21") == (200, 42)


@pytest.mark.parametrize(
    "method, path, body, status",
    [
        ("GET", "/none", b"", 404),
        ("GET", "/double", b"", 405),
        ("POST", "/double", b"{", 400),
        ("POST", "/double", b'"x"', 422),
    ],
)
def test_what_can_not_be_answered_has_a_status_and_a_reason(method: str, path: str, body: bytes, status: int) -> None:
    code, data = asked(method, path, body)
    assert (code, list(data)) == (status, ["error"])


def test_requests_come_over_the_wire_and_are_noted() -> None:
    out = io.StringIO()
    with serving(ROUTES, Journal(out)) as url:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/double", b"4"), timeout=5) as answered:
            assert json.load(answered) == 8
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(f"{url}/double", b"1" * (MOST_BYTES + 1)), timeout=5)
        assert caught.value.code == 413
    assert [json.loads(line)["status"] for line in out.getvalue().splitlines()] == [200, 413]


def test_nobody_answers_afterwards() -> None:
    with serving(ROUTES, Journal(io.StringIO())) as url:
        pass
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/echo/x", timeout=5)
