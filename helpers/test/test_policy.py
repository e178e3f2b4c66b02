"""The policy: the rights of a directory, given from outside of its checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.containers import rights
from helpers.driver import cli, plan
from helpers.errors import PolicyError, UsageError
from helpers.model.policy import DEFAULT, RIGHTS, Need, Policy, parse, refusal
from helpers.test.test_container import load
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

FILES = {"/etc/ours": "network   # for all\n\nruns here:writable\n a/b:env=API\n"}


def needs(*rights: str) -> list[Need]:
    return [Need(name, "x", detail) for name, _, detail in (right.partition("=") for right in rights)]


@pytest.mark.parametrize(
    "text, granted, missing",
    [
        ("strict", [], ["network", "git"]),
        (" , ", [], ["network"]),
        ("default", ["network", "writable", "env=X", "docker-child", "docker-sibling"], ["git", "service-host"]),
        ("default,git", ["network", "git"], ["service-host"]),
        ("network writable", ["network", "writable"], ["env=X"]),
        ("d:network,e:writable", ["network"], ["writable"]),
        ("./d/:network", ["network"], []),
        ("env=X", ["env=X"], ["env=Y"]),
        ("d:env=X strict", ["env=X"], ["env=Y", "network"]),
        ("env", ["env=X", "env=Y"], []),
    ],
)
def test_a_policy_grants_what_it_names_and_nothing_else(text: str, granted: list[str], missing: list[str]) -> None:
    found = parse(text, FILES.__getitem__)
    assert [need.item for need in found.missing("d", needs(*granted, *missing))] == missing


def test_a_file_has_an_item_a_line_so_that_a_directory_may_have_a_space() -> None:
    found = parse("@/etc/ours", FILES.__getitem__)
    assert found.missing("runs here", needs("network", "writable")) == []
    assert [need.item for need in found.missing("a/b", needs("env=API", "env=OTHER"))] == ["env=OTHER"]


@pytest.mark.parametrize(
    "text, fix",
    [
        ("netwrok", "did you mean 'network'?"),
        ("d:netwrok", "did you mean 'network'?"),
        ("stict", "did you mean 'strict'?"),
        ("network=x", "did you mean 'network'?"),
        ("env=", "did you mean 'env'?"),
        (":network", "did you mean 'network'?"),
        ("@/etc/ours,all", "the words are: strict, default, network"),
        ("privileged", "the words are: strict"),
    ],
)
def test_an_item_that_names_no_right_is_bad_usage(text: str, fix: str) -> None:
    with pytest.raises(UsageError, match="the policy has no item") as caught:
        parse(text, FILES.__getitem__)
    assert str(caught.value.fix).startswith(fix)


def test_the_fix_of_a_refusal_grants_what_was_refused_and_what_was_granted_before() -> None:
    missing = needs("git", "env=API")
    for given, directory in (("", "a b"), ("d:network", "d")):
        fix = str(refusal(directory, missing, given).fix)
        text = fix.rpartition("--policy ")[2].strip("'")
        found = parse(text, FILES.__getitem__)
        assert found.missing(directory, [*missing, *needs("network")]) == []
        assert found.missing("other", needs("service-host")) != []


def test_without_a_policy_each_directory_has_the_rights_that_runs_always_gave() -> None:
    assert Policy().rights_of("d") == tuple(right for right in RIGHTS if right in DEFAULT)
    assert not Policy().is_stricter and not parse("default,git", str).is_stricter and parse("network", str).is_stricter


@pytest.fixture
def root(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repo in which each directory weakens a different limit."""
    monkeypatch.delenv("HELPERS_POLICY", raising=False)
    root = make_repo(tmp_path / "repo")
    for name, settings in SETTINGS.items():
        add_dir(root, name, settings)
    (root / "writes" / "out").mkdir()
    (root / "linked" / "link").symlink_to("../.git")
    (root / "services" / "devops" / "compose.yaml").write_text(
        "services: {db: {image: x, privileged: true, volumes: ['/:/host:ro'], pid: host}}"
    )
    return root


SETTINGS = {
    "plain": 'uses = [".."]',
    "connected": 'network = "bridge"',
    "writes": 'writable = ["out"]',
    "told": 'env = ["API", "TOKEN", "MODE=test"]',
    "child": 'docker = "child"',
    "sibling": 'docker = "sibling"',
    "draws": 'gpus = "all"',
    "emulates": 'devices = ["/dev/kvm", "/dev/fuse:r"]',
    "calls": 'extra_hosts = ["box:host-gateway", "db:127.0.0.1"]',
    "named": 'extra_hosts = ["db:10.0.0.1"]\nhostname = "x"\nshm_size = "1g"\ncpus = 9\nulimits = ["core=0"]',
    "reads": 'uses = ["../.git"]',
    "linked": 'uses = ["link"]',
    "services": "",
}
NEEDED = {
    "plain": [],
    "connected": ["network"],
    "writes": ["writable"],
    "told": ["env=API", "env=TOKEN"],
    "child": ["docker-child"],
    "sibling": ["docker-sibling"],
    "draws": ["gpus"],
    "emulates": ["devices"],
    "calls": ["host-gateway"],
    "named": [],
    "reads": ["git"],
    "linked": ["git"],
    "services": ["service-capabilities", "service-host-path", "git", "service-host"],
}


def refused(root: Path, given: Policy) -> set[str]:
    paths = [root / name for name in SETTINGS]
    made = plan.make(root, paths, paths, "fast", lambda _: (), policy=given)
    assert {type(item.error) for item in made.dirs if item.error} <= {PolicyError}
    return {item.name for item in made.dirs if item.error}


@pytest.mark.parametrize(
    "text, names",
    [
        ("", {"reads", "linked", "services", "emulates"}),
        ("strict", {*SETTINGS} - {"plain", "named"}),
        ("default", {"reads", "linked", "services", "emulates"}),
        ("default git devices", {"services"}),
        ("default,devices,reads:git", {"linked", "services"}),
        (",".join(RIGHTS), set()),
        ("env=API", {*SETTINGS} - {"plain", "named"}),
        ("env=API,env=TOKEN", {*SETTINGS} - {"plain", "named", "told"}),
        ("gpus,devices,host-gateway", {*SETTINGS} - {"plain", "named", "draws", "emulates", "calls"}),
    ],
)
def test_a_plan_refuses_the_directories_that_need_more(root: Path, text: str, names: set[str]) -> None:
    assert refused(root, parse(text, str) if text else Policy()) == names


def test_every_weakening_of_tests_has_a_line(root: Path) -> None:
    told = {name: rights.lines(rights.needs(load(root, name))) for name in SETTINGS}
    assert told == {
        "plain": [],
        "connected": ['network = "bridge"'],
        "writes": ["writable = [out]"],
        "told": ["env = [API, TOKEN]"],
        "child": ['docker = "child" (an engine of its own, privileged)'],
        "sibling": ['docker = "sibling" (this machine\'s engine, with all that it can do)'],
        "draws": ['gpus = "all"'],
        "emulates": ["devices = [/dev/kvm, /dev/fuse:r]"],
        "calls": ["extra_hosts = [box:host-gateway]"],
        "named": [],
        "reads": ["uses = [../.git]"],
        "linked": ["uses = [link]"],
        # The start of services prints these.
        "services": [],
    }


def test_a_list_names_the_rights_of_each_directory_and_the_refusals_without_an_engine(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    file = tmp_path / "plan.json"
    assert cli.main(["--list", "--json", str(file)], root) == 4
    listed = {item["directory"]: item for item in json.loads(file.read_text())["directories"]}
    assert {name: item.get("rights", []) for name, item in listed.items()} == NEEDED
    assert {name for name, item in listed.items() if "error" in item} == {"reads", "linked", "services", "emulates"}
    assert (
        "the policy does not grant git (uses = [../.git]); fix: main_pytest.py --dir reads" in capsys.readouterr().out
    )
    assert cli.main(["--list", "--policy", "default,git", "--dir", "reads"], root) == 0


def test_the_option_counts_more_than_the_variable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("HELPERS_POLICY", "strict")
    assert cli.main(["--list", "--dir", "connected"], root) == 4
    assert cli.main(["--list", "--dir", "connected", "--policy", "network"], root) == 0


@pytest.mark.parametrize("name", ["policy", "link"])
def test_a_policy_is_not_read_from_the_checkout(
    root: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "policy").write_text("git\n")
    (tmp_path / "link").symlink_to(root / "policy")
    file = {"policy": root / "policy", "link": tmp_path / "link"}[name]
    assert cli.main(["--list", "--policy", f"@{file}"], root) == 2
    assert "a policy is not read from the checkout" in capsys.readouterr().err
    (tmp_path / "ours").write_text("git\n")
    assert rights.policy_of(f"@{tmp_path / 'ours'}", root).rights_of("d") == ("git",)


def test_an_empty_policy_of_the_command_line_is_bad_usage(root: Path) -> None:
    assert cli.main(["--list", "--policy", ""], root) == 2
    assert cli.main(["--list", "--policy", f"@{root}/missing"], root) == 2


def test_an_engine_that_isolates_nothing_holds_no_policy(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert cli.main(["--list", "--engine", "venv", "--policy", "strict", "--dir", "plain"], root) == 4
    assert cli.main(["--list", "--engine", "venv", "--policy", "default", "--dir", "plain"], root) == 0
