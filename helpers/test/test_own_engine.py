from __future__ import annotations

from pathlib import Path

import pytest

from helpers.inside import own_engine


def test_under_version_2_of_control_groups_our_processes_make_room_for_the_engine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_engine, "CGROUP", str(tmp_path))
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.procs").write_text("1\n7\n")
    own_engine.make_room_for_cgroups()
    # The kernel takes one process a write; a plain file keeps the last one.
    assert (tmp_path / "init" / "cgroup.procs").read_text() == "7"
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_under_version_1_there_is_nothing_to_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_engine, "CGROUP", str(tmp_path))
    own_engine.make_room_for_cgroups()
    assert list(tmp_path.iterdir()) == []


def program(folder: Path, name: str, code: int) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {code}\n")
    file.chmod(0o755)


@pytest.mark.parametrize(
    "codes, path, options",
    [
        ({"iptables": 0, "iptables-legacy": 0}, "", []),
        ({"iptables": 3, "iptables-legacy": 0}, "legacy", []),
        ({"iptables": 3, "iptables-legacy": 3}, "", ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]),
        ({}, "", ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]),
    ],
)
def test_the_engine_is_given_what_this_kernel_understands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: dict[str, int], path: str, options: list[str]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, code in codes.items():
        program(programs, name, code)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(own_engine, "LEGACY", str(tmp_path / "legacy"))
    command, environment = own_engine.engine("100")
    assert command[:5] == ["dockerd", "--host", "unix:///var/run/docker.sock", "--group", "100"]
    assert command[7:] == options
    assert environment["PATH"] == (f"{tmp_path / 'legacy'}:{programs}" if path else str(programs))
    if path:
        assert (tmp_path / "legacy" / "iptables").resolve() == programs / "iptables-legacy"
