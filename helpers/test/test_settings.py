from __future__ import annotations

from dataclasses import fields
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from helpers.errors import ConfigError
from helpers.model.settings import Settings, defaults_table, parse_settings
from helpers.test.unit_fixtures import add_dir, forget, make_repo

FULL: dict[str, Any] = {
    "base": "dir:../base",
    "system_packages": ["g++", "libc6-dev"],
    "lock": "../uv.lock",
    "groups": ["main", "test-fast"],
    "extras": ["http2"],
    "tests": ["test", "more/test_x.py"],
    "not_tests": ["templates", "data/*.py"],
    "strict_tests": True,
    "uses": ["../data"],
    "python_path": ["lib"],
    "writable": ["out"],
    "installed": "compiled",
    "build_packages": ["gcc"],
    "network": "bridge",
    "docker": "child",
    "env": ["TOKEN", "_X1", "MODE=a=b c\n", "EMPTY="],
    "env_file": ".env",
    "code": ["src", "run.py"],
    "entrypoint": ["python", "-m", "forecast"],
    "prod_allows": ["/usr/local/lib/*/pip*", "package git"],
    "platforms": ["linux/amd64", "linux/arm64"],
    "memory": "512m",
    "shm_size": "256m",
    "cpus": 1.5,
    "pids": 16,
    "ulimits": ["nofile=1024:4096", "core=0", "memlock=-1"],
    "gpus": "device=0,GPU-1a/b:2",
    "devices": ["/dev/kvm", "/dev/bus/usb:r", "/dev/ttyUSB0:/dev/modem:rw"],
    "hostname": "box.test",
    "extra_hosts": ["db.test:127.0.0.1", "v6:::1", "engine:host-gateway"],
    "timeout": 1,
    "registry": "registry.example.invalid:5000/team",
    "sync": [".editorconfig"],
    "helpers": ">=0.1,<1",
}


def test_every_setting_is_read() -> None:
    settings = parse_settings(FULL, "pyproject.toml")
    read = {name: getattr(settings, name) for name in FULL}
    assert read == {name: tuple(value) if isinstance(value, list) else value for name, value in FULL.items()}
    assert set(FULL) == {item.name for item in fields(Settings)}, "a new setting needs a line in FULL"


def test_a_variable_is_one_of_the_host_or_has_a_fixed_value() -> None:
    settings = parse_settings(FULL, "pyproject.toml")
    assert settings.inherited == ("TOKEN", "_X1")
    assert settings.values == {"MODE": "a=b c\n", "EMPTY": ""}


def test_no_table_means_the_defaults_which_are_valid_themselves() -> None:
    assert parse_settings({}, "p") == Settings()
    assert [(name, about != "") for name, _, about in defaults_table()] == [(name, True) for name in FULL]


@pytest.mark.parametrize(
    "table, says",
    [
        ({"tiemout": 5}, ("no setting 'tiemout'", "did you mean 'timeout'?")),
        ({"system-packages": []}, ("no setting 'system-packages'", "did you mean 'system_packages'?")),
        ({"zzz": 5}, ("no setting 'zzz'", "the settings are: base,")),
        ({"installed": "yes"}, ("installed must be 'editable' or 'compiled' or 'wheel', not 'yes'",)),
        ({"build_packages": ["gcc; rm"]}, ("build_packages must be names of packages",)),
        ({"timeout": "5"}, ("timeout must be a whole number, not '5'",)),
        ({"timeout": True}, ("timeout must be a whole number, not True",)),
        ({"timeout": 1.5}, ("timeout must be a whole number",)),
        ({"timeout": 0}, ("timeout must be at least 1",)),
        ({"pids": 15}, ("pids must be at least 16",)),
        ({"memory": 2}, ("memory must be a string",)),
        ({"memory": "0g"}, ("memory must be a size",)),
        *(({"memory": size}, ("memory must be a size",)) for size in ("1k", "5m", "2097152g", "9" * 20 + "g", "٢g")),
        *(({"pids": number}, ("pids must be at least 16",)) for number in (-1, 4194305, 10**20)),
        *(({"timeout": number}, ("timeout must be at least 1",)) for number in (-1, 604801, 10**20)),
        *(
            ({key: ["a\0b"]}, (f"{key} must be at most",))
            for key in ("uses", "entrypoint", "code", "tests", "writable")
        ),
        ({"entrypoint": ["x" * 5000]}, ("entrypoint must be at most",)),
        ({"env": [f"A{number}" for number in range(1001)]}, ("env must be at most 1000 strings",)),
        ({"platforms": ["linux/x"]}, ("platforms must be platforms like",)),
        ({"platforms": ["linux/amd64,linux/arm64"]}, ("platforms must be platforms like",)),
        *(
            ({"registry": name}, ("registry must be HOST[:PORT][/PATH]",))
            for name in ("a..b:5000", "-a.b", "h:0", "h:65536", "a.b/" + "x" * 250, "a.b/x//y")
        ),
        *(
            ({"base": f"image:{name}"}, ("is not an image reference",))
            for name in ("Python:3", "a" * 300, "a:" + "t" * 129, "a@sha256:1", "a:b:c", "a/", "a..b/c")
        ),
        ({"base": f"archive:{'a' * 80}"}, ("is not the name of a distribution's suite",)),
        ({"memory": "2gb"}, ("memory must be a size",)),
        *(({"shm_size": size}, ("shm_size must be a size", "at most memory (2g)")) for size in ("3g", "64", "0m", "x")),
        ({"shm_size": "600m", "memory": "512m"}, ("at most memory (512m)",)),
        *(({"cpus": number}, ("cpus must be at least 0.01",)) for number in (0.001, -1, 1025, nan, inf, 10**400)),
        *(({"cpus": value}, ("cpus must be a number",)) for value in ("2", True)),
        *(
            ({"ulimits": [limit]}, ("ulimits must be limits like",))
            for limit in (
                *("nofile", "nofile=", "nofile=a", "nofile=1:2:3", "nofile=9:1", "nofile=-1", "nofile=1048577"),
                *("as=1", "nice=1", "rtprio=9", "rttime=1", "core=-1:0", "core=-2", "core=1" + "0" * 20),
            )
        ),
        ({"ulimits": ["nofile=1", "nofile=2"]}, ("each name once",)),
        *(
            ({"gpus": value}, ("gpus must be 'all', a number",))
            for value in ("0", "-1", "some", "device=", "1,2", "a b")
        ),
        ({"gpus": 1}, ("gpus must be a string",)),
        *(
            ({"devices": [device]}, ("devices must be devices like '/dev/kvm'",))
            for device in (
                *("kvm", "/dev", "/dev/", "/dev/../etc/passwd", "/etc/passwd", "/dev/a:/etc/passwd", "/dev/a:x"),
                *("/dev/a:rr", "/dev/a:", "/dev/a b", "/dev/a,readonly=false", "/dev/a:/dev/b:r:w", "/dev/..//x"),
            )
        ),
        *(({"hostname": name}, ("hostname must be a host name",)) for name in ("a b", "-a", "a..b", "a" * 65, "--rm")),
        *(
            ({"extra_hosts": [host]}, ("extra_hosts must be names with an address",))
            for host in ("a", "a:", "a:b", ":127.0.0.1", "a:1.2.3", "a b:127.0.0.1", "a:fe80::1%eth0", "a:host-gatewa")
        ),
        ({"network": "host"}, ("network must be 'none' or 'bridge', not 'host'",)),
        ({"docker": "socket"}, ("docker must be 'sibling' or 'child', not 'socket'",)),
        ({"docker": True}, ("docker must be a string",)),
        ({"tests": "test"}, ("tests must be a list of strings",)),
        ({"tests": []}, ("tests must be at least one path",)),
        ({"tests": ["test", "u[1]"]}, ("tests must be at least one path, each without '['",)),
        ({"uses": ["a", 1]}, ("uses must be a list of strings",)),
        ({"uses": ["a", "b", "a"]}, ("uses names 'a' twice",)),
        *(
            ({"env": names}, ("env must be names of environment variables, each once",))
            for names in (
                ["1A=1"],
                ["=1"],
                ["A B=1"],
                ["A", "A=1"],
                ["A=1", "A=2"],
                ["PATH=/x"],
                ["LD_PRELOAD=/x"],
                ["HELPERS_X=1"],
                [""],
            )
        ),
        ({"system_packages": ["gcc; rm"]}, ("system_packages must be names of packages",)),
        ({"system_packages": ["--purge"]}, ("system_packages must be names of packages",)),
        ({"registry": "http://x"}, ("registry must be HOST[:PORT][/PATH]",)),
        ({"registry": "x:5000/Team"}, ("registry must be HOST[:PORT][/PATH], the path in lower case",)),
        ({"helpers": "0.1"}, ("helpers: '0.1' is no range of versions such as '>=0.1,<1'",)),
        ({"helpers": ">=0.1 <1"}, ("is no range",)),
        ({"base": "bookworm"}, ("base: 'bookworm' is not a base",)),
        ({"base": "archive:bokworm"}, ("base: 'bokworm' is not a suite", "did you mean 'archive:bookworm'?")),
    ],
)
def test_a_wrong_setting_is_named_with_its_file_and_what_is_right(table: dict[str, Any], says: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(table, "a/pyproject.toml")
    assert caught.value.where == "a/pyproject.toml"
    for text in says:
        assert text in str(caught.value)


def test_image_name_that_docker_refuses_is_a_fault_of_its_directory(tmp_path: Path) -> None:
    from helpers import config

    forget()
    root = make_repo(tmp_path / "r")
    path = add_dir(root, "a", image="a" * 300)
    with pytest.raises(ConfigError, match="longer than an image's name may be"):
        config.load(root, path, [path])
    assert config.load(root, add_dir(root, "b", image="b" * 200), []).changelog.name == "b" * 200
    (path / "changelog.txt").write_text(f"# a-1.0.{'9' * 100}\n- 2026-01-01\n- x\n")
    with pytest.raises(ConfigError, match=r"is not a version X\.Y\.Z"):
        config.load(root, path, [path])


def test_a_key_written_twice_is_an_error_of_the_file(tmp_path: Path) -> None:
    from helpers import config

    forget()
    path = add_dir(make_repo(tmp_path / "r"), "a", "timeout = 1\ntimeout = 2")
    with pytest.raises(ConfigError, match="is not TOML") as caught:
        config.load(path.parent, path, [path])
    assert caught.value.where == f"{path / 'pyproject.toml'}:10"
