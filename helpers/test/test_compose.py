from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.engine import client, compose, nesting, service_names
from helpers.engine.seam import Control
from helpers.engine.specs import Mount
from helpers.errors import ConfigError, HelpersError, InfrastructureError
from helpers.model.container_options import ContainerOptions
from helpers.test.test_argv import SHELL, TESTS
from helpers.test.unit_fixtures import cache

__all__ = ["cache"]

FILE = Path("/repo/dir/devops/compose.yaml")
SPEC = replace(TESTS, services=FILE, labels={"helpers.owner": "me", "helpers.dir": "dir"})
LABELS = {"helpers.owner": "me", "helpers.dir": "dir", "helpers.toolchain": "run", "helpers.within": "helpers-r1-0"}


def kept(service: dict[str, Any], spec: Any = SPEC, **more: Any) -> dict[str, Any]:
    """Return what becomes of one service."""
    found = compose.private({"services": {"db": {"image": "x", **service}}, **more}, spec)["services"]["db"]
    assert isinstance(found, dict)
    return found


def test_everything_carries_our_labels_alone_and_a_name_of_this_run() -> None:
    found = {
        "services": {"db": {"image": "x", "labels": {"theirs": "1"}}},
        "networks": {"back": {"name": "prod"}},
        "volumes": {"data": {"name": "prod", "labels": {"theirs": "2"}}},
    }
    data = compose.private(found, SPEC)
    assert data["services"]["db"]["labels"] == LABELS
    assert data["volumes"] == {"data": {"name": "helpers-r1-0_data", "labels": LABELS}}
    closed = {"driver_opts": {"com.docker.network.bridge.inhibit_ipv4": "true"}, "enable_ipv6": False}
    for name in ("back", "default"):
        mine = {"name": f"helpers-r1-0_{name}", "labels": LABELS}
        assert data["networks"][name] == {**mine, "internal": True, **closed}


def test_only_a_container_with_a_network_has_services_with_one() -> None:
    for network, internal in (("none", True), ("bridge", False)):
        data = compose.private({"services": {"db": {"image": "x"}}}, replace(SPEC, network=network))
        assert data["networks"]["default"]["internal"] is internal


def test_a_service_is_on_the_network_that_the_tests_are_on() -> None:
    assert kept({})["networks"] == {"default": None}
    assert kept({"networks": {"back": {"aliases": ["x"]}}})["networks"] == {"default": None, "back": {"aliases": ["x"]}}
    assert "networks" not in kept({"network_mode": "service:other"})


def test_nothing_keeps_two_runs_from_standing_beside_each_other() -> None:
    port = {"mode": "ingress", "target": 6379, "published": "6379", "protocol": "tcp", "host_ip": "0.0.0.0"}
    service = kept({"container_name": "redis", "ports": [port], "restart": "always"})
    assert "container_name" not in service and service["ports"] == [] and service["restart"] == "no"
    shell = kept({"ports": [port]}, replace(SHELL, services=FILE))
    assert shell["ports"] == [{"mode": "ingress", "target": 6379, "protocol": "tcp", "host_ip": "127.0.0.1"}]


def test_a_service_has_the_limits_of_the_tests_unless_it_names_its_own() -> None:
    assert (kept({})["mem_limit"], kept({})["pids_limit"]) == ("2g", 1024)
    assert kept({"mem_limit": "64m"})["mem_limit"] == "64m"
    limits = {"resources": {"limits": {"memory": "64m"}}}
    assert "mem_limit" not in kept({"deploy": limits})
    others = kept({"deploy": {"resources": {"limits": {"cpus": 1}}}})
    assert others["deploy"]["resources"]["limits"] == {"cpus": 1, "memory": "2g", "pids": 1024}


@pytest.mark.parametrize("own", [{}, {"driver": "local"}, {"options": {"max-size": "-1"}}, None])
def test_the_log_of_a_service_is_bounded(own: Any) -> None:
    bounded = {"driver": "json-file", "options": {"max-size": "16m", "max-file": "2"}}
    assert kept({"logging": own})["logging"] == bounded
    assert kept({"logging": {"driver": "none"}})["logging"] == {"driver": "none"}


def test_a_mounted_path_has_no_link_is_not_made_and_gives_its_writer_no_more_rights(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    volume = {"type": "bind", "source": str(tmp_path / "link"), "target": "/x", "bind": {"create_host_path": True}}
    found = kept({"volumes": [volume]})
    assert found["volumes"] == [{**volume, "source": str(tmp_path / "target"), "bind": {"create_host_path": False}}]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert "security_opt" not in kept({"volumes": [{**volume, "read_only": True}]})


def test_a_variable_without_a_value_stays_unset() -> None:
    unset = {"GITHUB_TOKEN": None}
    found = kept({"environment": {"A": "1", **unset}, "build": {"context": "/x", "args": unset}, "env_file": ["x"]})
    assert (found["environment"], found["build"]["args"]) == ({"A": "1"}, {}) and "env_file" not in found


def test_an_image_that_a_service_builds_is_found_again_and_is_ours() -> None:
    one, two = (kept({"build": {"context": "/repo/dir"}}, replace(SPEC, name=name)) for name in ("r1", "r2"))
    assert one["image"] == two["image"] and one["build"]["labels"] == {"helpers.toolchain": "image"}


def test_the_description_that_was_read_stays_as_it_is() -> None:
    found: dict[str, Any] = {"services": {"db": {"image": "x", "ports": [{"target": 1}]}}}
    compose.private(found, SPEC)
    assert found == {"services": {"db": {"image": "x", "ports": [{"target": 1}]}}}


def test_a_test_finds_services_by_variables_of_their_names() -> None:
    assert compose.addresses({"redis": 6379, "my-db.1": None, "Web": 80}) == {
        **{"REDIS_HOST": "redis", "REDIS_PORT": "6379"},
        **{"MY_DB_1_HOST": "my-db.1"},
        **{"WEB_HOST": "Web", "WEB_PORT": "80"},
    }


def test_a_container_with_an_engine_of_its_own_starts_it_first_and_becomes_the_caller() -> None:
    spec = nesting.grant(replace(TESTS, docker="child"))
    assert spec.argv[0] == "python" and spec.argv[1].endswith("/own_engine.py")
    assert spec.argv[2:] == ("1000", "100", *TESTS.argv)
    inside = Path(spec.argv[1]).parent
    assert spec.mounts == (*TESTS.mounts, Mount(inside))
    seen = replace(TESTS, docker="child", mounts=(Mount(inside.parent),))
    assert nesting.grant(seen).mounts == seen.mounts


def test_without_the_setting_a_container_is_granted_nothing() -> None:
    assert nesting.grant(TESTS) == TESTS


def test_a_container_with_siblings_stays_in_the_groups_of_its_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nesting, "_socket", lambda: Path("/dev/null"))
    monkeypatch.setattr(client, "name_of", str)
    assert nesting.grant(replace(TESTS, docker="sibling", groups=(7,))).groups == (7, 0)


def fake_compose(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the client's place that answers as Docker Compose does."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    "said, code, kind, says",
    [
        ("docker: 'compose' is not a docker command.", 1, InfrastructureError, "services need Docker Compose"),
        ("unknown flag: --ansi", 125, InfrastructureError, "services need Docker Compose"),
        ("services.a Additional property imag is not allowed", 15, ConfigError, "compose refuses it: services.a Addit"),
        ('level=warning msg="The \\"DB\\" variable is not set."', 0, ConfigError, "the variable DB, which is not set"),
        ('The "DB" variable is not set.\nno image: invalid', 1, ConfigError, "the variable DB, which is not set"),
    ],
)
def test_what_compose_says_of_a_file_becomes_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: int, kind: type[HelpersError], says: str
) -> None:
    (tmp_path / "said").write_text(said)
    script = f"cat '{tmp_path}/said' >&2; echo '{{}}'; exit {code}"
    fake_compose(tmp_path, monkeypatch, f'case "$1" in image) echo "[]" ;; *) {script} ;; esac')
    (tmp_path / "compose.yaml").write_text("services: {}")
    with pytest.raises(kind, match=says) as caught:
        compose.read(tmp_path / "compose.yaml", SPEC)
    assert caught.value.fix


def test_compose_has_the_variables_that_the_container_is_given_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANTED", "yes")
    monkeypatch.setenv("SECRET", "no")
    monkeypatch.setenv("COMPOSE_PROFILES", "no")
    (tmp_path / "compose.yaml").write_text("services: {db: {image: a}}\nx-more: {}")
    shown = '{"seen": "%s|%s|%s|%s|%s", "read": %s}'
    script = f"""printf '{shown}' "$WANTED" "$SECRET" "$COMPOSE_PROFILES" "$HELPERS_IMAGE" "$HELPERS_USER" "$(cat)" """
    fake_compose(tmp_path, monkeypatch, f'case "$1" in image) echo "[]" ;; *) {script} ;; esac')
    found = compose.read(tmp_path / "compose.yaml", replace(SPEC, inherit=("WANTED", "NOT_SET")))
    assert found == {"seen": "yes|||sha256:0123|1000:100", "read": {"services": {"db": {"image": "a"}}}}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (ContainerOptions(hostname="db"), "hostname hides the service db from its tests: both have the name db"),
        (ContainerOptions(hostname="DB"), "hostname hides the service db"),
        (ContainerOptions(extra_hosts=("a:1.2.3.4", "db:127.0.0.1")), "extra_hosts hides the service db"),
        (ContainerOptions(extra_hosts=("store:127.0.0.1",)), "both have the name store"),
        (ContainerOptions(hostname="db2", extra_hosts=("db.test:127.0.0.1",)), ""),
        (ContainerOptions(), ""),
    ],
)
@pytest.mark.parametrize("where", ["start", "rights"])
def test_name_that_hides_a_service_is_refused(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, options: ContainerOptions, says: str, where: str
) -> None:
    found = {"services": {"db": {"image": "a", "networks": {"default": {"aliases": ["store"]}, "other": None}}}}
    monkeypatch.setattr(compose, "read", lambda file, spec: found)
    monkeypatch.setattr(compose, "_granted", lambda found, spec: [])
    monkeypatch.setattr(compose, "_get_images", lambda *_: pytest.fail("not refused") if says else None)
    monkeypatch.setattr(compose, "_start", lambda *_: None)
    monkeypatch.setattr(compose, "_port", lambda *_: None)
    monkeypatch.setattr(compose, "_in_words", lambda *_: [])
    expected = pytest.raises(ConfigError, match=re.escape(says)) if says else nullcontext()
    with expected:
        if where == "start":
            compose.start(replace(SPEC, services=tmp_path / "f", options=options), tmp_path / "log", Control())
        else:
            service_names.check(found["services"], options, tmp_path / "f")


def test_values_of_services_are_in_a_private_file_while_they_start(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def fail(file: Path, *_: Any) -> None:
        assert "secret" in file.read_text() and file.parents[1].stat().st_mode & 0o077 == 0
        seen.append(file)
        raise InfrastructureError("the services did not start")

    found = {"services": {"db": {"image": "a", "environment": {"TOKEN": "secret"}}}}
    monkeypatch.setattr(compose, "read", lambda file, spec: found)
    monkeypatch.setattr(compose, "_granted", lambda found, spec: [])
    monkeypatch.setattr(compose, "_get_images", lambda *_: None)
    monkeypatch.setattr(compose, "_start", fail)
    with pytest.raises(InfrastructureError):
        compose.start(replace(SPEC, services=tmp_path / "f"), tmp_path / "run" / "log", Control())
    assert seen and not seen[0].exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
