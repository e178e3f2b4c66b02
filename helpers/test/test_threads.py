"""A machine that refuses another thread: threads that only help are left out, and the work goes on."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from helpers import console, host
from helpers.engine import client
from helpers.errors import INFRASTRUCTURE, InfrastructureError
from helpers.thin_env.slow_steps import shown
from helpers.thin_env.threads import started


@pytest.fixture(autouse=True)
def no_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_refused_thread_is_no_error() -> None:
    assert not started(threading.Thread())


def test_work_goes_on_without_a_sign_of_life() -> None:
    done = []
    with shown("building x"), client._waiting(), host.asked_ahead():
        done.append("work")
    with shown("building y"):
        done.append("more work")
    assert done == ["work", "more work"]


def test_work_that_needs_threads_fails_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError) as caught:
        threading.Thread().start()
    assert isinstance(console.unforeseen(caught.value), InfrastructureError)
    assert console.report_error(caught.value) == INFRASTRUCTURE
    assert "the system refused another thread\n  fix: ulimit -u" in capsys.readouterr().err
