"""The service is asked over the container's own loopback."""

import io
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from services.links import Links, routes
from shared.journal import Journal
from web.server import serving
from web.tokens import Tokens

TOKENS = Tokens("secret of the tests")
ADDRESS = "https://example.org/a?b=c"


@pytest.fixture
def url() -> Iterator[str]:
    """A service without links."""
    with serving(routes(Links(), TOKENS), Journal(io.StringIO())) as address:
        yield address


def ask(url: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    """Return the status and the data of the answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=5) as answered:
            return answered.status, json.load(answered)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_link_leads_where_it_was_made_to_lead(url: str) -> None:
    status, made = ask(f"{url}/links", {"address": ADDRESS}, TOKENS.make("ana"))
    assert status == 201
    assert ask(f"{url}/links/{made['code']}") == (200, {"address": ADDRESS, "user": "ana"})


def test_the_same_address_has_the_same_code_and_its_first_user(url: str) -> None:
    codes = {ask(f"{url}/links", {"address": ADDRESS}, TOKENS.make(user))[1]["code"] for user in ("ana", "ben")}
    (code,) = codes
    assert ask(f"{url}/links/{code}")[1]["user"] == "ana"


@pytest.mark.parametrize("token", ["", "made up", Tokens("another secret").make("ana")])
def test_without_a_good_token_nothing_is_made(url: str, token: str) -> None:
    assert ask(f"{url}/links", {"address": ADDRESS}, token)[0] == 401


@pytest.mark.parametrize("body", [{"address": "javascript:alert(1)"}, {}, [], "x"])
def test_what_is_no_address_is_refused(url: str, body: Any) -> None:
    assert ask(f"{url}/links", body, TOKENS.make("ana"))[0] == 422


def test_a_link_that_nobody_made_is_not_there(url: str) -> None:
    assert ask(f"{url}/links/none")[0] == 404
