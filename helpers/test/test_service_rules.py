"""The rules for a compose file: a value that reaches out of a runnable dir is refused, or needs a right."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from helpers.engine import compose, compose_file, service_rules
from helpers.errors import ConfigError

USER = "1000:100"
# Five of these lines hold eight to the power of six values.
EIGHTFOLD = "{1}: &{1} [*{0},*{0},*{0},*{0},*{0},*{0},*{0},*{0}]\n"
# Thirty-nine of these lines hold two to the power of thirty-nine pairs for a moment.
TWOFOLD = "a{0}: &a{0} {{<<: [*a{1}, *a{1}]}}\n"
PAIRS = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")]
BOUND = {"type": "bind", "target": "/x", "read_only": True}


@pytest.fixture
def place(tmp_path: Path) -> service_rules.Place:
    """Return the place of a compose file in a runnable dir with a link to outside, and a `.git` in a subdirectory."""
    directory = tmp_path / "repo" / "dir"
    for path in ("devops", "data", "cloned/.git"):
        (directory / path).mkdir(parents=True)
    (directory / "devops" / "test.env").write_text("A=1\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "it.env").write_text("A=1\n")
    (directory / "data" / "out").symlink_to(tmp_path / "outside")
    return service_rules.Place(directory / "devops" / "compose.yaml", directory, tmp_path / "repo", USER)


def rights(found: Any, at: service_rules.Place) -> list[str]:
    return [need.right for need in service_rules.needs(found, at)]


@pytest.mark.parametrize(
    "service",
    [
        {"image": "${HELPERS_IMAGE}", "command": "sh -c 'echo ${X}'", "environment": ["A=${B}"], "expose": ["80"]},
        {"ports": ["80:80"], "container_name": "x", "restart": "always", "labels": {"a": "b"}, "profiles": ["x"]},
        {"volumes": ["data:/srv", "/anonymous", "../data:/x:ro", {**BOUND, "source": "../data"}], "tmpfs": "/run"},
        {"volumes": [{"type": "tmpfs", "target": "/x", "tmpfs": {"size": "1m"}}, {"type": "volume", "target": "/y"}]},
        {"env_file": "test.env", "extends": {"service": "other"}, "depends_on": ["other"], "links": ["other"]},
        {"build": "."},
        {"build": {"context": "../data", "dockerfile": "x", "args": {"A": "${B}"}, "target": "t"}},
        {"network_mode": "service:other", "ipc": "shareable", "pid": "service:other", "cgroup": "private"},
        {"networks": {"back": {"aliases": ["x"]}}, "extra_hosts": ["a:127.0.0.1"], "logging": {"driver": "local"}},
        {"security_opt": ["no-new-privileges:true"], "privileged": False, "cap_drop": ["ALL"], "scale": 1},
        {"deploy": {"resources": {"limits": {"cpus": 1, "memory": "1g", "pids": 5}}, "placement": {}}},
        {
            "ulimits": {"nofile": {"soft": 1, "hard": 2}},
            "pids_limit": 10,
            "secrets": ["s", {"source": "s", "mode": 288}],
        },
        {"command": None, "entrypoint": None, "x-own": {"a": 1}},
    ],
)
def test_a_service_that_stays_in_its_directory_needs_no_right(service: Any, place: service_rules.Place) -> None:
    top = {"version": "3", "name": "x", "x-a": {"privileged": True}, "networks": {"back": {"driver": "bridge"}}}
    more = {"volumes": {"data": None}, "secrets": {"s": {"file": "test.env"}}, "configs": {"c": {"content": "x"}}}
    assert rights({**top, **more, "services": {"db": {"image": "x", **service}}}, place) == []


@pytest.mark.parametrize(
    "service, says",
    [
        ({"env_file": "missing.env"}, "'missing.env' is no regular file"),
        ({"env_file": "x" * 5000}, "File name too long"),
        ({"env_file": "/dev/zero"}, "'/dev/zero' is no regular file"),
        ({"env_file": ["${X}"]}, "it holds a variable"),
        ({"extends": {"service": "a", "file": "/etc/x.yaml"}}, "compose would read another file"),
        ({"label_file": "x"}, "compose would read another file"),
        ({"provider": {"type": "/bin/sh"}}, "compose would run a program of this machine"),
        ({"post_start": [{"command": "id", "privileged": True}]}, "it may run as root"),
        ({"develop": {"watch": []}}, "nothing is watched"),
        ({"use_api_socket": True}, "it hands over this machine's engine"),
        ({"models": ["x"]}, "a model runs on this machine"),
        ({"gpus": "all"}, "it takes devices"),
        ({"runtime": "kata"}, "it names a program of this machine"),
        ({"cgroup_parent": "/"}, "control group of this machine"),
        ({"credential_spec": {"file": "x"}}, "credentials of this machine"),
        ({"oom_score_adj": -1000}, "killed first"),
        ({"oom_kill_disable": True}, "run out of memory"),
        ({"blkio_config": {"weight": 1}}, "disks of this machine"),
        ({"annotations": {"run.oci.hooks": "x"}}, "container runtime"),
        ({"storage_opt": {"size": "1g"}}, "how the engine stores"),
        ({"isolation": "process"}, "kept apart"),
        ({"external_links": ["x"]}, "a container of another run"),
        ({"dns": "192.0.2.1"}, "resolver"),
        ({"extra_hosts": {"a": "host-gateway"}}, "host-gateway is this machine"),
        ({"extra_hosts": ["a=${X}"]}, "it holds a variable"),
        ({"network_mode": "host"}, "'host' shares what is not its own"),
        ({"network_mode": "bridge"}, "'bridge' shares what is not its own"),
        ({"network_mode": "container:x"}, "'container:x' shares what is not its own"),
        ({"network_mode": "${X:-host}"}, "it holds a variable"),
        ({"pid": "container:x"}, "'container:x' shares what is not its own"),
        ({"ipc": "container:x"}, "'container:x' shares what is not its own"),
        ({"volumes_from": ["container:x"]}, "the mounts of another container"),
        ({"volumes_from": ["other"]}, "the mounts of another container"),
        ({"privileged": "${X:-true}"}, "it holds a variable"),
        ({"volumes": ["${X:-/}:/host"]}, "it holds a variable"),
        ({"volumes": ["../data:/x:ro,shared"]}, "has an option that changes more"),
        ({"volumes": ["../data:/x:Z"]}, "has an option that changes more"),
        ({"volumes": ["data/x:/x"]}, "neither a volume's name nor a path"),
        ({"volumes": [{"type": "npipe", "source": "x", "target": "/x"}]}, "the type 'npipe'"),
        ({"volumes": [{"type": "cluster", "source": "x", "target": "/x"}]}, "the type 'cluster'"),
        ({"volumes": [{"type": "image", "source": "x", "target": "/x"}]}, "the type 'image'"),
        ({"volumes": [{"type": "volume", "source": "/etc", "target": "/x"}]}, "no volume's name"),
        (
            {"volumes": [{**BOUND, "source": "../data", "bind": {"propagation": "rshared"}}]},
            "propagation is not allowed",
        ),
        ({"volumes": [{**BOUND, "source": "../data", "bind": {"selinux": "Z"}}]}, "selinux is not allowed"),
        ({"logging": {"driver": "syslog", "options": {"syslog-address": "udp://192.0.2.1"}}}, "'syslog'"),
        ({"ulimits": {"rtprio": 99}}, "a limit may be one of"),
        ({"pids_limit": -1}, "a number from 1 to"),
        ({"pids_limit": "9" * 5000}, "a number from 1 to"),
        ({"scale": 1000}, "one container of each service"),
        ({"deploy": {"replicas": 1000}}, "one container of each service"),
        ({"deploy": {"resources": {"reservations": {"devices": [{"driver": "nvidia"}]}}}}, "devices is not allowed"),
        ({"networks": {"back": {"driver_opts": {"x": "y"}}}}, "driver_opts is not allowed"),
        ({"build": "https://example.com/x.git"}, "no directory of the checkout"),
        ({"build": "git@example.com:x.git"}, "no directory of the checkout"),
        ({"build": {"context": ".", "ssh": ["default"]}}, "the keys of this machine"),
        ({"build": {"context": ".", "network": "host"}}, "the network that the engine gives"),
        ({"build": {"context": ".", "secrets": ["s"]}}, "a build is given no secrets"),
        ({"build": {"context": ".", "additional_contexts": {"x": "/"}}}, "takes its files from the directory"),
        ({"build": {"context": ".", "cache_to": ["type=local,dest=/x"]}}, "would write to a path"),
        ({"build": {"context": ".", "tags": ["helpers-archive:bookworm"]}}, "the name of another one"),
        ({"build": {"context": ".", "entitlements": ["security.insecure"]}}, "a build has no rights"),
        ({"build": {"context": "${X}"}}, "it holds a variable"),
        ({"exposes": ["80"]}, "it is not in the list"),
        ({"<<": {"privileged": True}}, "it is not in the list"),
    ],
)
def test_a_key_or_value_that_reaches_out_is_refused(service: Any, says: str, place: service_rules.Place) -> None:
    with pytest.raises(ConfigError, match=r"services: evil: .*" + says) as caught:
        service_rules.needs({"services": {"evil": {"image": "x", **service}}}, place)
    assert caught.value.where == str(place.file) and caught.value.fix


@pytest.mark.parametrize(
    "top, says",
    [
        ({"include": ["/etc/x.yaml"]}, "include is not allowed: compose would read other files"),
        ({"include": "oci://example.com/x"}, "include is not allowed"),
        ({"models": {"m": {}}}, "models is not allowed"),
        ({"service": {}}, "service is not allowed: it is not in the list"),
        ({"services": ["x"]}, "services is not allowed: it must be a mapping"),
        ({"services": {"a b": {}}}, "services: a b is not allowed"),
        (
            {"volumes": {"v": {"driver_opts": {"type": "none", "o": "bind", "device": "/"}}}},
            "volumes: v: driver_opts is",
        ),
        ({"volumes": {"v": {"driver": "rclone"}}}, "volumes: v: driver is not allowed: 'rclone'"),
        ({"volumes": {"data": {"external": True}}}, "volumes: data is external"),
        ({"volumes": {"data": {"external": "${X}"}}}, "volumes: data is external"),
        ({"networks": {"office": {"external": True}}}, "networks: office is external"),
        ({"networks": {"n": {"driver": "host"}}}, "networks: n: driver is not allowed: 'host'"),
        ({"networks": {"n": {"driver": "macvlan", "driver_opts": {"parent": "eth0"}}}}, "'macvlan'"),
        ({"networks": {"n": {"ipam": {"config": [{"subnet": "192.0.2.0/24"}]}}}}, "networks: n: ipam is not allowed"),
        ({"secrets": {"s": {"environment": "GITHUB_TOKEN"}}}, "secrets: s: environment is not allowed"),
        ({"configs": {"c": {"environment": "GITHUB_TOKEN"}}}, "configs: c: environment is not allowed"),
        ({"secrets": {"s": {"external": True}}}, "secrets: s is external"),
        ({"secrets": {"s": {"driver": "x", "file": "x"}}}, "secrets: s: driver is not allowed"),
        ({"secrets": {"s": {"file": "${HOME}/.docker/config.json"}}}, "it holds a variable"),
    ],
)
def test_what_stands_outside_of_services_is_checked_as_well(top: Any, says: str, place: service_rules.Place) -> None:
    with pytest.raises(ConfigError, match=says):
        service_rules.needs({"services": {}, **top}, place)


@pytest.mark.parametrize(
    "service, needed",
    [
        ({"privileged": True}, ["service-capabilities"]),
        ({"privileged": "yes"}, ["service-capabilities"]),
        ({"cap_add": ["SYS_ADMIN"]}, ["service-capabilities"]),
        ({"devices": ["/dev/kvm"]}, ["service-capabilities"]),
        ({"security_opt": ["seccomp=unconfined"]}, ["service-capabilities"]),
        ({"sysctls": {"net.core.somaxconn": 1}}, ["service-capabilities"]),
        ({"pid": "host", "ipc": "host", "uts": "host", "userns_mode": "host", "cgroup": "host"}, ["service-host"] * 5),
        ({"volumes": ["../data:/x"]}, ["service-writable"]),
        ({"volumes": ["../data:/x"], "user": "0:0"}, ["service-writable"]),
        ({"volumes": ["../data:/x"], "user": USER}, ["writable"]),
        ({"volumes": ["../data:/x"], "user": "${HELPERS_USER}"}, ["writable"]),
        ({"volumes": [{**BOUND, "source": "../data", "read_only": False}]}, ["service-writable"]),
        ({"volumes": ["/var/run/docker.sock:/x"]}, ["service-host-path"] * 2),
        ({"volumes": ["~/.ssh:/x:ro"]}, ["service-host-path"]),
        ({"volumes": ["../../other:/x:ro"]}, ["service-host-path"]),
        ({"volumes": ["../data/out:/x:ro"]}, ["service-host-path"]),
        ({"volumes": ["..:/x:ro"]}, ["git"]),
        ({"volumes": ["../cloned/.git:/x:ro"]}, ["git"]),
        ({"build": "/usr"}, ["service-host-path"]),
        ({"build": "/"}, ["service-host-path", "git"]),
        ({"build": {"dockerfile": "/etc/passwd"}}, ["service-host-path"]),
        ({"build": ".."}, ["git"]),
        ({"env_file": "../../../outside/it.env"}, ["service-host-path"]),
        ({"env_file": [{"path": "../data/out/it.env"}]}, ["service-host-path"]),
    ],
)
def test_what_leaves_the_directory_needs_a_right(service: Any, needed: list[str], place: service_rules.Place) -> None:
    found = service_rules.needs({"services": {"evil": {"image": "x", **service}}}, place)
    assert list(dict.fromkeys(need.right for need in found)) == list(dict.fromkeys(needed))
    assert all(need.text.startswith("service evil: ") for need in found)


def test_a_path_is_followed_as_compose_follows_it(place: service_rules.Place) -> None:
    (place.directory / "linked").symlink_to("devops")
    (place.directory / "sub" / "it").mkdir(parents=True)
    (place.directory / "sub" / "devops").symlink_to("../devops")
    # As text, `..` of the path is `sub`, with a mountable `it`; through the link `..` is the directory itself.
    at = dataclasses.replace(place, file=place.directory / "sub" / "devops" / "compose.yaml")
    (place.directory / "sub" / "out").symlink_to("/etc")
    (place.directory / "out").mkdir()
    assert rights({"services": {"a": {"volumes": ["../out:/x:ro", "../it:/y:ro"]}}}, at) == ["service-host-path"]


@pytest.mark.parametrize("path", ["~x/../test.env", "~root/x", "~../x", "c:/../.git", "C:x", "\\\\x\\y", "./a\\..\\b"])
@pytest.mark.parametrize("key", ["env_file", "build", "volumes", "secrets"])
def test_a_path_that_compose_may_read_otherwise_is_refused(place: service_rules.Place, path: str, key: str) -> None:
    values = {"volumes": [{**BOUND, "source": path}], "secrets": ["s"]}
    service = {"image": "x", key: values.get(key, path)}
    for directory in ("~x", "~root"):
        (place.file.parent / directory).mkdir()
    with pytest.raises(ConfigError, match=r"in another way|no directory of the checkout"):
        service_rules.needs({"services": {"a": service}, "secrets": {"s": {"file": path}}}, place)


def test_a_secret_from_outside_needs_a_right(place: service_rules.Place) -> None:
    for kind in ("secrets", "configs"):
        assert rights({kind: {"s": {"file": "/etc/hostname"}}}, place) == ["service-host-path"]


@pytest.mark.parametrize(
    "text, says",
    [
        ("services: !reset null", "the tag '!reset'"),
        ("services: {a: {image: !!python/name:os.system x}}", "the tag"),
        ("services: {}\nservices: {}", "'services' stands twice"),
        ("services: {}\n---\nservices: {}", "another document"),
        ("a: &a [1,2,3,4,5,6,7,8]\n" + "".join(EIGHTFOLD.format(*pair) for pair in PAIRS), "too many"),
        ("a: &a [*a]", "nested too deeply"),
        ("a0: &a0 {k: v}\n" + "".join(TWOFOLD.format(i, i - 1) for i in range(1, 40)), "merges too many"),
        ("a0: &a0 {k: v}\nb: {<<: [" + "*a0," * 30_000 + "]}", "merges too many"),
        ("a: &a {<<: *a}", "nested too deeply|found undefined alias|recursive"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("1: x", "the name 1 is no text"),
        ('a: "x\\0y"', "no path can hold"),
        ('a: "x\\ud800y"', "no path can hold|special characters"),
        ("[1]", "has no services"),
        ("a: \x00", "special characters"),
        ("a: " + "x" * (1 << 19), "is larger than"),
    ],
)
def test_a_file_that_is_more_than_plain_data_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        compose_file.read(tmp_path / "compose.yaml")


def test_a_file_is_read_as_compose_reads_it_whatever_words_it_uses(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(
        'x-a: &a {privileged: true}\n"\\x69nclude": no\n'
        "volumes:\n  data:\nb: {<<: *a, tty: yes, mode: 0440, f: 1.5, n: ~, d: 2001-01-01}\n"
    )
    assert compose_file.read(tmp_path / "compose.yaml") == {
        "x-a": {"privileged": True},
        "include": "no",
        "volumes": {"data": None},
        "b": {"privileged": True, "tty": "yes", "mode": 0o440, "f": 1.5, "n": None, "d": "2001-01-01"},
    }


def test_a_port_that_is_no_number_ends_no_run() -> None:
    assert compose._port({"expose": ["abc", f"{'9' * 9_000}"], "ports": [{"target": 80}]}, {}) == 99_999
    assert compose._port({"expose": ["abc"], "ports": [{"target": 80}]}, {}) == 80
