"""`install_engine.sh` on machines made of stub commands; a stub refuses what it was not told."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading

import pytest

from helpers.test.stub_machine import ALL_INSTALLED, DEBIAN_KEYS, INSTALL, SCRIPT, Machine, machine, policy, with_engine

__all__ = ["machine"]

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

TOOLS = "iptables qemu-user-static binfmt-support arch-test mmdebstrap uidmap"
SETTING = {"features": {"containerd-snapshotter": True}}


def test_the_script_is_bash_and_tells_how_it_is_used() -> None:
    assert subprocess.run(["bash", "-n", SCRIPT], check=False).returncode == 0
    shown = subprocess.run([SCRIPT, "--help"], capture_output=True, encoding="utf-8", check=False)
    assert shown.returncode == 0 and "--check" in shown.stdout and "--switch-store" in shown.stdout


@pytest.mark.parametrize("arguments", [["--wrong"], ["--switch-store", "more"], [""]])
def test_an_unknown_argument_is_bad_usage_and_does_nothing(machine: Machine, arguments: list[str]) -> None:
    done = machine.run(*arguments)
    assert done.returncode == 2 and "usage:" in done.stderr
    assert machine.log == ["uname -m"]


@pytest.mark.engine
def test_check_finds_everything_on_a_machine_with_a_live_engine() -> None:
    done = subprocess.run([SCRIPT, "--check"], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "install_engine: everything is there\n")


def test_check_names_what_is_missing_and_changes_nothing(machine: Machine) -> None:
    with_engine(machine, "running")
    (machine.path / "state/compose").unlink()
    done = machine.run("--check")
    assert done.returncode == 1
    assert "missing: image store" in done.stdout and "missing: compose" in done.stdout
    assert "buildx\n" not in done.stdout and "missing: engine" not in done.stdout
    assert machine.done("apt-get", "systemctl", "setsid") == [] and not machine.settings.exists()


@pytest.mark.parametrize(
    ("gone", "named"),
    [("bin/mmdebstrap", "mmdebstrap"), ("bin/newuidmap", "package uidmap"), (f"root/{DEBIAN_KEYS}", "keys of Debian")],
)
def test_check_names_each_thing_that_archive_bases_need(machine: Machine, gone: str, named: str) -> None:
    with_engine(machine, "running", "snapshotter")
    assert machine.run("--check").returncode == 0
    (machine.path / gone).unlink()
    done = machine.run("--check")
    assert done.returncode == 1 and done.stdout.count("missing:") == 1 and named in done.stdout


def test_debian_13_without_a_service_manager_gets_the_client_too(machine: Machine) -> None:
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.done("apt-get", "setsid", "systemctl") == [
        "apt-get -o DPkg::Lock::Timeout=300 -qq update",
        f"{INSTALL} docker.io docker-cli docker-buildx docker-compose {TOOLS}",
        "setsid dockerd",
    ]
    assert json.loads(machine.settings.read_text()) == SETTING
    assert "engine 26.1 is running, buildx v0.13, compose 2.26" in done.stdout
    before = len(machine.log)
    assert "nothing to do" in machine.run().stdout
    after = machine.log[before:]
    assert after and [line for line in after if line.startswith(("apt-get", "setsid"))] == []


def test_an_emulator_that_only_a_service_manager_would_register_is_registered(machine: Machine) -> None:
    rule = r":qemu-aarch64:M::\x7fELF:\xff:/usr/bin/qemu-aarch64:OPF"
    machine.write("usr/lib/binfmt.d/qemu-aarch64.conf", rule)
    machine.rules += "update-binfmts *||!1|\n"
    done = machine.run()
    assert (machine.root / "proc/sys/fs/binfmt_misc/register").read_text() == rule
    assert done.returncode == 0 and "can not be enabled" in done.stdout  # the stub kernel made no entry


@pytest.mark.parametrize("codename", ["jammy", "noble"])
@pytest.mark.parametrize("keys", [True, False])
def test_ubuntu_with_systemd(machine: Machine, codename: str, keys: bool) -> None:
    machine.write("etc/os-release", f"ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME={codename}\n")
    (machine.root / "run/systemd/system").mkdir(parents=True)
    (machine.root / DEBIAN_KEYS).unlink()
    packages = {"debian_archive_keyring": "2023"} if keys else {}
    machine.rules = policy(docker_buildx="0.20", docker_compose_v2="2.33", docker_compose="1.29.2-1", **packages)
    machine.rules += f"{INSTALL} *||{ALL_INSTALLED}|\n"
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.done("apt-get", "setsid", "systemctl") == [
        "apt-get -o DPkg::Lock::Timeout=300 -qq update",
        f"{INSTALL} docker.io docker-buildx docker-compose-v2 {TOOLS}{' debian-archive-keyring' * keys}",
        "systemctl cat docker.service",
        "systemctl enable docker",
        "systemctl restart docker",
        "systemctl restart systemd-binfmt",
    ]


@pytest.mark.parametrize("has", [{}, {"docker_buildx": "0.20", "docker_compose": "1.29.2-1"}])
def test_ubuntu_without_universe_is_told_to_add_it(machine: Machine, has: dict[str, str]) -> None:
    machine.write("etc/os-release", "ID=ubuntu\nVERSION_CODENAME=noble\n")
    machine.rules = policy(**has)
    done = machine.run()
    assert done.returncode == 6 and "add-apt-repository universe" in done.stderr
    assert machine.done("setsid", INSTALL) == []


def test_debian_12_takes_five_packages_of_the_next_release_and_no_other(machine: Machine) -> None:
    machine.write("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")
    machine.rules = "apt-get indextargets *|||http://mirror.example/debian/ Debian bookworm\n" + policy()
    machine.rules += f"{INSTALL} *||{ALL_INSTALLED}|\n"
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.done(INSTALL) == [f"{INSTALL} docker.io docker-cli docker-buildx docker-compose {TOOLS}"]
    pin = (machine.root / "etc/apt/preferences.d/helpers-engine").read_text()
    assert "Package: *\nPin: release n=trixie\nPin-Priority: -1\n" in pin
    assert "Package: docker.io docker-cli docker-buildx docker-compose containerd\n" in pin
    sources = (machine.root / "etc/apt/sources.list.d/helpers-engine.list").read_text()
    assert sources.endswith(" http://mirror.example/debian/ trixie main\n")


def test_an_engine_from_another_source_stays_and_only_the_rest_is_added(machine: Machine) -> None:
    with_engine(machine, "running", "snapshotter")
    (machine.path / "state/compose").unlink()
    machine.rules = policy(docker_compose_plugin="2.40") + f"{INSTALL} *||{ALL_INSTALLED}|\n"
    assert machine.run().returncode == 0
    assert machine.done(INSTALL) == [f"{INSTALL} docker-compose-plugin {TOOLS}"]
    assert machine.done("setsid", "systemctl") == []


def test_other_settings_are_kept_with_their_mode(machine: Machine) -> None:
    machine.write("etc/docker/daemon.json", '{"log-level": "warn", "features": {"buildkit": true}}').chmod(0o600)
    assert machine.run().returncode == 0
    features = {"buildkit": True, "containerd-snapshotter": True}
    assert json.loads(machine.settings.read_text()) == {"log-level": "warn", "features": features}
    assert stat.S_IMODE(machine.settings.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ['{"log-level": ', "[]", '{"features": ["a"]}', '{"features": null}'])
def test_broken_settings_are_an_error_and_untouched(machine: Machine, text: str) -> None:
    machine.write("etc/docker/daemon.json", text)
    done = machine.run()
    assert done.returncode == 2 and str(machine.settings) in done.stderr and "untouched" in done.stderr
    assert "Traceback" not in done.stderr
    assert machine.settings.read_text() == text and os.listdir(machine.settings.parent) == ["daemon.json"]
    assert machine.done("apt-get", "setsid", "systemctl") == []


def test_a_missing_python_is_installed_before_settings_are_changed(machine: Machine) -> None:
    machine.write("etc/docker/daemon.json", "{}")
    (machine.path / "bin/python3").unlink()
    machine.rules = f"{INSTALL} python3||*python3|\npython3 - *|||\n" + machine.rules
    assert machine.run().returncode == 0
    assert machine.done(INSTALL, "python3")[:2] == [f"{INSTALL} python3", f"python3 - {machine.settings}"]


@pytest.mark.parametrize("kept", ["images", "containers"])
def test_the_image_store_of_an_engine_in_use_is_only_switched_on_request(machine: Machine, kept: str) -> None:
    with_engine(machine, "running", *([kept] if kept == "containers" else []))
    if kept == "images":
        machine.write("var/lib/docker/image/overlay2/repositories.json", '{"Repositories":{"a":{"a:1":"sha256:0"}}}')
    (machine.root / "run/systemd/system").mkdir(parents=True)
    done = machine.run()
    assert done.returncode == 0 and "see --switch-store" in done.stdout
    assert not machine.settings.exists() and machine.done("systemctl restart") == []
    assert machine.run("--switch-store").returncode == 0
    assert machine.done("systemctl restart") == ["systemctl restart docker"]
    assert json.loads(machine.settings.read_text()) == SETTING


@pytest.mark.parametrize(("name", "ended"), [("dockerd", True), ("postgres", False)])
def test_a_pid_file_is_only_believed_when_it_names_an_engine(machine: Machine, name: str, ended: bool) -> None:
    with_engine(machine, *(["running"] if ended else []))
    other = subprocess.Popen(["sleep", "60"])
    try:
        machine.write("run/docker.pid", str(other.pid))
        machine.write("run/docker/containerd/containerd.pid", str(other.pid))
        machine.write(f"proc/{other.pid}/comm", f"{name}\n")
        # A child that has ended is a zombie until it is waited for, which the script would take for a living engine.
        threading.Thread(target=other.wait, daemon=True).start()
        done = machine.run()
        assert done.returncode == 0, done.stderr
        assert (other.poll() is not None) == ended
        assert machine.done("setsid") == ["setsid dockerd"]
        assert not (machine.root / "run/docker.pid").exists()
        assert not (machine.root / "run/docker/containerd/containerd.pid").exists()
    finally:
        other.kill()


def test_an_engine_that_dies_at_once_is_not_waited_for(machine: Machine) -> None:
    with_engine(machine)
    machine.write("var/log/dockerd.log", "failed to start daemon: no such luck\n")
    machine.rules += "setsid dockerd||!1|\n"
    done = machine.run()
    assert done.returncode == 6 and "no such luck" in done.stderr and "dockerd.log" in done.stderr


def test_cgroups_are_mounted_and_a_working_iptables_is_chosen(machine: Machine) -> None:
    with_engine(machine)
    machine.have(commands="mount iptables-legacy update-alternatives")
    machine.write("proc/self/mounts", "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n")
    machine.rules += "iptables *||!3|\niptables-legacy -t nat -L -n|||\nupdate-alternatives --set iptables *|||\n"
    machine.rules += "mount -t cgroup2 cgroup2 /sys/fs/cgroup|||\n"
    assert machine.run().returncode == 0
    legacy = machine.path / "bin/iptables-legacy"
    assert machine.done("mount", "update-alternatives") == [
        "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        f"update-alternatives --set iptables {legacy}",
    ]


def test_without_the_right_to_mount_cgroups_it_says_so(machine: Machine) -> None:
    with_engine(machine)
    machine.have(commands="mount")
    machine.write("proc/self/mounts", "")
    machine.rules += "mount *||!32|\n"
    done = machine.run()
    assert done.returncode == 6 and "--privileged" in done.stderr and machine.done("setsid") == []


@pytest.mark.parametrize("what", ["update", "install"])
def test_without_network_it_says_what_failed(machine: Machine, what: str) -> None:
    machine.rules = f"apt-get * {what}*||!100|\n" + machine.rules
    done = machine.run()
    assert done.returncode == 6 and "network, proxy, mirror" in done.stderr
    assert machine.done("setsid") == []


def test_another_system_and_another_engine_are_refused(machine: Machine) -> None:
    machine.environ["DOCKER_HOST"] = "tcp://ann:pw@far.example:2376"
    done = machine.run()
    assert done.returncode == 2 and "unset DOCKER_HOST" in done.stderr and "pw" not in done.stderr
    del machine.environ["DOCKER_HOST"]
    machine.write("etc/os-release", 'ID=fedora\nPRETTY_NAME="Fedora 41"\n')
    done = machine.run()
    assert done.returncode == 6 and "Fedora 41" in done.stderr
    assert machine.done("apt-get", "setsid") == [] and not machine.settings.exists()


@pytest.mark.parametrize(("proxy", "option"), [("", ""), ("http://p:1", "--preserve-env=https_proxy ")])
def test_a_user_becomes_root_by_sudo_with_the_proxy(machine: Machine, proxy: str, option: str) -> None:
    machine.have(commands="sudo")
    machine.rules = "id -u|||1000\nsudo *|||\n" + machine.rules
    machine.environ["https_proxy"] = proxy
    assert machine.run("--switch-store").returncode == 0
    assert machine.done("sudo", "apt-get") == [f"sudo {option}-- bash {SCRIPT} --switch-store"]


def test_a_user_is_refused_for_another_engine_before_sudo_drops_the_variable(machine: Machine) -> None:
    machine.have(commands="sudo")
    machine.rules = "id -u|||1000\nsudo *|||\n" + machine.rules
    machine.environ["DOCKER_HOST"] = "tcp://far.example:2376"
    done = machine.run()
    assert done.returncode == 2 and "unset DOCKER_HOST" in done.stderr and machine.done("sudo") == []


def test_a_user_without_sudo_is_told(machine: Machine) -> None:
    machine.rules = "id -u|||1000\n" + machine.rules
    done = machine.run()
    assert done.returncode == 6 and "needs root" in done.stderr


@pytest.mark.parametrize(
    ("groups", "told"), [("ann sudo", True), ("ann docker-users", True), ("ann docker", False), ("docker", False)]
)
def test_the_group_is_left_to_the_user(machine: Machine, groups: str, told: bool) -> None:
    machine.environ["SUDO_USER"] = "ann"
    machine.rules = f"id -nG ann|||{groups}\n" + machine.rules
    done = machine.run()
    assert done.returncode == 0 and ("sudo usermod -aG docker ann" in done.stdout) == told
    assert machine.done("usermod") == []
