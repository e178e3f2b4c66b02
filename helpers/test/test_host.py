from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers import host, proc
from helpers.test.unit_fixtures import forget
from helpers.thin_env import pip_config

NAMES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "SSL_CERT_FILE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
PROXIES = [name for low in ("http_proxy", "https_proxy", "no_proxy", "all_proxy") for name in (low, low.upper())]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A machine that says nothing of its network, and whose pip says what the test lets it say."""
    for name in (*NAMES, *PROXIES):
        monkeypatch.delenv(name, raising=False)
    pip_says(monkeypatch, "")
    forget()
    yield monkeypatch
    forget()


def pip_says(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def run(argv: list[str]) -> proc.Completed:
        assert argv[1:] == ["-m", "pip", "config", "list"]
        return proc.Completed(tuple(argv), 0, text, "")

    monkeypatch.setattr(proc, "run", run)


def test_a_machine_without_settings_has_none(machine: pytest.MonkeyPatch) -> None:
    assert host.settings() == host.HostSettings(None, None, (), ())
    assert host.settings().shell_file(None) == ""


def test_variables_win_over_pip_s_files(machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    pip_says(machine, f"global.index-url='https://file.invalid/simple'\nglobal.cert='{ca}'\ninstall.user='true'\n")
    assert (host.settings().index, host.settings().ca) == ("https://file.invalid/simple", ca)
    forget()
    other = tmp_path / "other.pem"
    other.touch()
    machine.setenv("UV_DEFAULT_INDEX", "https://env.invalid/simple")
    machine.setenv("SSL_CERT_FILE", str(other))
    assert (host.settings().index, host.settings().ca) == ("https://env.invalid/simple", other)


@pytest.mark.parametrize("turn", [1, -1])
def test_pip_s_variables_win_over_its_files_in_any_order(machine: pytest.MonkeyPatch, turn: int) -> None:
    lines = [":env:.index-url='https://a.invalid'\n", "global.index-url='https://b.invalid'\n"]
    pip_says(machine, "".join(lines[::turn]))
    assert host.settings().index == "https://a.invalid"


def test_extra_indexes_are_urls_and_options_beside_them_are_not(machine: pytest.MonkeyPatch) -> None:
    pip_says(machine, "global.extra-index-url='https://a.invalid\\nhttps://b.invalid --x'\n")
    assert host.settings().extra_indexes == ("https://a.invalid", "https://b.invalid")


def test_among_several_indexes_uv_chooses_as_in_the_thin_environment(machine: pytest.MonkeyPatch) -> None:
    listing = "global.extra-index-url='https://a.invalid'\n"
    pip_says(machine, listing)
    thin = pip_config.uv_environ({}, pip_config.parse(listing))
    build = host.settings().environment(None)
    assert thin == {"UV_INDEX": "https://a.invalid", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    assert {name: build.get(name) for name in thin} == thin
    forget()
    machine.setenv("UV_INDEX_STRATEGY", "first-index")
    assert host.settings().environment(None)["UV_INDEX_STRATEGY"] == "first-index"


def test_an_index_of_uv_s_own_setting_is_chosen_from_by_uv_s_own_rule(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("UV_INDEX", "https://a.invalid")
    assert host.settings().extra_indexes == ("https://a.invalid",)
    assert "UV_INDEX_STRATEGY" not in host.settings().environment(None)


def test_where_this_python_has_no_pip_the_system_s_is_asked(machine: pytest.MonkeyPatch) -> None:
    def run(argv: list[str]) -> proc.Completed:
        here = argv[0] == sys.executable
        return proc.Completed(tuple(argv), int(here), "" if here else "global.proxy='http://p.invalid:1'\n", "")

    machine.setattr(proc, "run", run)
    assert dict(host.settings().proxies)["all_proxy"] == "http://p.invalid:1"


def test_pip_s_proxy_reaches_builds_where_no_variable_names_one(machine: pytest.MonkeyPatch) -> None:
    pip_says(machine, "global.proxy='http://pip.invalid:1'\n")
    assert "export ALL_PROXY=http://pip.invalid:1\n" in host.settings().shell_file(None)
    forget()
    machine.setenv("ALL_PROXY", "http://mine.invalid:1")
    assert set(dict(host.settings().proxies).values()) == {"http://mine.invalid:1"}


def test_a_bundle_that_is_not_there_is_no_bundle(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("PIP_CERT", "/no/such/file")
    assert host.settings().ca is None


def test_a_proxy_is_known_by_both_spellings_of_its_variable(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("HTTPS_PROXY", "http://proxy.invalid:1")
    assert dict(host.settings().proxies) == {
        "https_proxy": "http://proxy.invalid:1",
        "HTTPS_PROXY": "http://proxy.invalid:1",
    }


def test_settings_for_a_shell_survive_quotes_and_blanks() -> None:
    settings = host.HostSettings(Path("/ca"), "https://u:it's a$(secret)@x.invalid", ("https://y.invalid",), ())
    script = settings.shell_file("/run/ca") + 'printf "%s|" "$PIP_INDEX_URL" "$UV_INDEX" "$SSL_CERT_FILE"'
    done = proc.run(["sh", "-c", script], env={"PATH": os.environ["PATH"]})
    assert done.stdout == "https://u:it's a$(secret)@x.invalid|https://y.invalid|/run/ca|"


@pytest.mark.parametrize("uid, name, home", [(0, "root", "/root"), (4711, "ann", "/home/ann")])
def test_the_home_is_root_s_own_or_below_home(uid: int, name: str, home: str) -> None:
    assert host.User(uid, 1, name).home == home


def test_an_id_without_a_name_gets_one_that_is_safe_in_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    monkeypatch.setattr(os, "getgid", lambda: 65)
    assert host.user() == host.User(54321, 65, "user54321")


def test_a_name_of_the_user_database_is_made_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    entry = pwd.struct_passwd(("DOMAIN\\Ann: Lee", "x", 1, 1, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry)
    assert re.fullmatch(r"[a-z0-9_-]+", host.user().name)


def test_threads_that_ask_at_the_same_time_get_one_answer() -> None:
    asked: list[float] = []

    @host.once
    def answer() -> object:
        asked.append(time.monotonic())
        time.sleep(0.1)
        return object()

    with ThreadPoolExecutor(4) as pool:
        answers = [future.result() for future in [pool.submit(answer) for _ in range(4)]]
    assert len(asked) == 1 and len(set(answers)) == 1
    answer.cache_clear()
    assert answer() not in answers


def test_a_tool_gets_its_own_settings_and_no_token_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "UV_PUBLISH_TOKEN", "PYTHONPATH", "UV_INDEX_ME_PASSWORD"):
        monkeypatch.setenv(name, "x")
    given = host.tool_environment("UV_")
    assert given["PATH"] and given["UV_INDEX_ME_PASSWORD"] == "x"
    assert not {"GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "UV_PUBLISH_TOKEN", "PYTHONPATH"} & set(given)
    assert "UV_INDEX_ME_PASSWORD" not in host.tool_environment()
