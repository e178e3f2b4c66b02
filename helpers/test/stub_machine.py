"""A machine made of stub commands for `install_engine.sh` and `run_tests.sh`; a stub refuses what it was not told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "engine" / "install_engine.sh"
# Commands that change nothing but the machine's own root directory are the real ones.
REAL = ["awk", "bash", "cat", "cut", "flock", "grep", "ln", "mkdir", "mv", "readlink", "rm", "seq", "sleep", "tail"]
REAL += ["timeout", "true"]
DEBIAN_KEYS = "usr/share/keyrings/debian-archive-keyring.gpg"
# A rule is: pattern of the command | states that it needs | effects (+state, *command, !exit code) | what it prints
STUB = r"""#!/bin/bash
line="${0##*/} $*"
echo "$line" >>"$STUBS/log"
code=97
while IFS='|' read -r pattern needs effects output; do
  # shellcheck disable=SC2053
  [[ $line == $pattern ]] || continue
  code=1
  for state in $needs; do [ -e "$STUBS/state/$state" ] || continue 2; done
  code=0
  for effect in $effects; do
    case $effect in
      +*) : >"$STUBS/state/${effect#+}" ;;
      '*'*) ln -sf "$STUBS/stub" "$STUBS/bin/${effect#?}" ;;
      '!'*) code=${effect#!} ;;
      entry) echo enabled >"$INSTALL_ENGINE_ROOT/proc/sys/fs/binfmt_misc/qemu-aarch64" ;;
      stay) sleep 2 ;;
    esac
  done
  [ -z "$output" ] || echo "$output"
  break
done <"$STUBS/rules"
[ $code != 97 ] || echo "REFUSED $line" >>"$STUBS/log"
exit $code
"""
COMMON = """
docker version --format {{.Server.Version}}|running||26.1
docker buildx version|buildx||github.com/docker/buildx v0.13 abc
docker compose version*|compose||2.26
docker info --format {{.DriverStatus}}|running snapshotter||[[driver-type io.containerd.snapshotter.v1]]
docker info --format {{.DriverStatus}}|running||[[Backing Filesystem extfs]]
docker info --format {{.DockerRootDir}}|running||/var/lib/docker
docker ps --quiet|containers||0123
docker ps --quiet|running||
uname -m|||x86_64
id -u|||0
apt-get -o DPkg::Lock::Timeout=300 -qq update|||
update-binfmts --enable qemu-aarch64||entry|
iptables -t nat -L -n|||
setsid dockerd||+running +snapshotter stay|
systemctl cat docker.service|||
systemctl enable docker|||
systemctl restart docker||+running +snapshotter|
systemctl restart systemd-binfmt|||
"""
INSTALL = "apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends"
ALL_INSTALLED = "+buildx +compose *docker *dockerd *mmdebstrap *newuidmap *qemu-aarch64-static"


def policy(**versions: str) -> str:
    """Rules of `apt-cache policy` for packages with these versions; any other package has none."""
    known = "".join(f"apt-cache policy {name.replace('_', '-')}|||  Candidate: {v}\n" for name, v in versions.items())
    return f"{known}apt-cache policy docker.io|||  Candidate: 26.1\napt-cache policy *|||  Candidate: (none)\n"


@dataclass
class Machine:
    """A root directory, and stub commands that are all that PATH has."""

    path: Path
    rules: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    script: Path = SCRIPT

    @property
    def root(self) -> Path:
        """The machine's `/`."""
        return self.path / "root"

    @property
    def settings(self) -> Path:
        """The engine's settings."""
        return self.root / "etc/docker/daemon.json"

    def write(self, name: str, text: str) -> Path:
        """Write a file of the machine."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def have(self, *states: str, commands: str = "") -> None:
        """Make it a machine that has these states and commands."""
        for name in states:
            (self.path / "state" / name).touch()
        for name in commands.split():
            (self.path / "bin" / name).symlink_to(self.path / "stub")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script; the rules of this machine come before the common ones."""
        (self.path / "rules").write_text(self.rules + COMMON)
        env = {"PATH": str(self.path / "bin"), "STUBS": str(self.path), "INSTALL_ENGINE_ROOT": str(self.root)}
        return subprocess.run(
            [shutil.which("bash") or "bash", str(self.script), *arguments],
            env=env | self.environ,
            capture_output=True,
            encoding="utf-8",
            timeout=50,
            check=False,
        )

    @property
    def log(self) -> list[str]:
        """Every stub command that ran."""
        return (self.path / "log").read_text().splitlines()

    def done(self, *beginnings: str) -> list[str]:
        """The commands that begin with one of these words; none may have been refused."""
        assert [line for line in self.log if line.startswith("REFUSED")] == []
        return [line for line in self.log if line.startswith(beginnings)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A Debian 13 machine without a service manager and without an engine."""
    made = Machine(tmp_path / "a machine")
    for name in ("bin", "state", "root/run", "root/var/log", "root/etc/apt/preferences.d"):
        (made.path / name).mkdir(parents=True)
    (made.root / "etc/apt/sources.list.d").mkdir()
    (made.path / "stub").write_text(STUB)
    (made.path / "stub").chmod(0o755)
    for name in REAL:
        found = shutil.which(name)
        assert found, name
        (made.path / "bin" / name).symlink_to(found)
    (made.path / "bin/python3").symlink_to(os.path.realpath(sys.executable))
    made.have(commands="apt-get apt-cache uname id update-binfmts iptables setsid systemctl")
    made.write("etc/os-release", 'ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME="Debian 13"\n')
    made.write(DEBIAN_KEYS, "")
    made.write("proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    made.write("proc/sys/fs/binfmt_misc/register", "")
    made.rules = policy(docker_cli="26.1", docker_buildx="0.13", docker_compose="2.26")
    made.rules += f"{INSTALL} *||{ALL_INSTALLED}|\n"
    return made


def with_engine(machine: Machine, *states: str) -> None:
    """Give the machine all that is installed, and an engine in these states."""
    machine.have("buildx", "compose", *states, commands="docker dockerd mmdebstrap newuidmap qemu-aarch64-static")
    machine.write("proc/sys/fs/binfmt_misc/qemu-aarch64", "enabled\n")
