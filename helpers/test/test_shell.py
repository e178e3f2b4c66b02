"""What a person's container is started with, without an engine."""

from __future__ import annotations

import socket

import pytest

from helpers.containers import shell
from helpers.errors import UsageError


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_published_ports_are_pairs_and_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = free_port(), free_port()
    assert shell._published([str(one), f"{other}:80"]) == ((one, one), (other, 80))
    assert f"127.0.0.1:{other} leads to port 80 of the container" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "80:", ":80", "80:90:100", "-1", "a", "8000-8010", "٣", "127.0.0.1:80:80"]
)
def test_text_that_is_no_port_is_bad_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is no port, as 8000, and no two, as 8001:8000"):
        shell._published([text])


def test_port_in_use_is_named_with_a_free_one() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of this machine is in use") as caught:
            shell._published([f"{port}:80"])
    assert str(caught.value.fix).startswith("--publish ") and str(caught.value.fix).endswith(":80")


def test_port_that_is_published_twice_is_bad_usage() -> None:
    port = free_port()
    with pytest.raises(UsageError, match=f"port {port} of this machine is in use"):
        shell._published([str(port), f"{port}:80"])
