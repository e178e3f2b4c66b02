"""Starts a docker engine inside a privileged container, then becomes the command: as the caller, without any right.

The engine is nobody's child but the container's, so it ends with the container and not before. It listens where a
client looks for it, and its log is `/run/dockerd.log`.

usage: python own_engine.py UID GID COMMAND [ARGUMENT...]
"""

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import time
from typing import Dict, List, Tuple

SOCKET = "/var/run/docker.sock"
LOG = "/run/dockerd.log"
# Programs of other names under the names that the engine knows; the root file system may be read-only.
LEGACY = "/run/legacy"
SECONDS = 60.0
PR_CAPBSET_DROP = 24  # linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
CAPABILITIES = 64  # more than there are (linux/capability.h); asking for one that is not there changes nothing
CGROUP = "/sys/fs/cgroup"


def iptables_works(program: str) -> bool:
    """Say whether this kernel knows what `program` speaks."""
    try:
        quiet = subprocess.DEVNULL
        return not subprocess.call([program, "-t", "nat", "-L", "-n"], stdout=quiet, stderr=quiet)
    except OSError:
        return False


def engine(group: str) -> Tuple[List[str], Dict[str, str]]:
    """Return the engine's command, made for what this kernel can do, and its environment.

    Arguments:
        group: number of the group that may use the engine.
    """
    options: List[str] = []
    environment = dict(os.environ)
    if not iptables_works("iptables"):
        if iptables_works("iptables-legacy"):
            os.makedirs(LEGACY, exist_ok=True)
            for name in ("iptables", "ip6tables"):
                os.symlink(str(shutil.which(name + "-legacy")), os.path.join(LEGACY, name))
            environment["PATH"] = LEGACY + ":" + environment["PATH"]
        else:
            options = ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]
    return ["dockerd", "--host", "unix://" + SOCKET, "--group", group, "--log-level", "warn", *options], environment


def make_room_for_cgroups() -> None:
    """Let the engine make control groups: version 2 wants no process beside them, so all of ours go one level down.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#no-internal-process-constraint
    """
    if not os.path.exists(CGROUP + "/cgroup.controllers"):
        return
    os.makedirs(CGROUP + "/init", exist_ok=True)
    with open(CGROUP + "/cgroup.procs") as file:
        processes = file.read().split()
    for process in processes:
        try:
            with open(CGROUP + "/init/cgroup.procs", "w") as file:
                file.write(process)
        except OSError:
            continue  # it has ended
    with open(CGROUP + "/cgroup.controllers") as file:
        wanted = " ".join("+" + name for name in file.read().split())
    with open(CGROUP + "/cgroup.subtree_control", "w") as file:
        file.write(wanted)


def start(command: List[str], environment: Dict[str, str]) -> None:
    """Start the engine as a child of the container's init: what starts it here ends at once."""
    log = os.open(LOG, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        os.close(log)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((null, log, log)):
        os.dup2(stream, number)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, ("cannot run %s: %s\n" % (command[0], error)).encode())
        os._exit(127)


def answers() -> bool:
    """Say whether the engine takes requests."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(SOCKET)
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(64)
        except OSError:
            return False


def give_up_rights(user: int, group: int) -> None:
    """Become the caller, and let no program that is started from here on have any right of root."""
    libc = ctypes.CDLL(None)
    for capability in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.setgroups([group])
    os.setgid(group)
    os.setuid(user)


def main(argv: List[str]) -> None:
    """Start the engine, wait until it answers, become the command `argv[2:]`."""
    make_room_for_cgroups()
    start(*engine(argv[1]))
    end = time.monotonic() + SECONDS
    while not answers():
        with open(LOG, errors="replace") as file:
            log = file.read()
        if time.monotonic() > end or "cannot run dockerd" in log or "failed to start daemon" in log:
            sys.exit("the engine inside did not start (needs `docker.io` in system_packages):\n%s" % log[-2000:])
        time.sleep(0.05)
    give_up_rights(int(argv[0]), int(argv[1]))
    try:
        os.execvp(argv[2], argv[2:])
    except OSError as error:
        print("cannot run %s: %s" % (argv[2], error.strerror), file=sys.stderr)
        # As a shell and docker itself say that there is no such program.
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
