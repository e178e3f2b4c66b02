"""Whether remotes answer; no checkout's configuration counts, and nobody is asked for a password."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from helpers import proc
from helpers.repo.door import environment

_NETWORK_SECONDS = 10
# Seconds at less than that many bytes a second, after which https gives up; and git does not clean up on its own.
_PATIENCE = (
    *(("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", "60")),
    *(("gc.auto", "0"), ("maintenance.auto", "false"), ("submodule.recurse", "false")),
)


@cache
def local_allowed() -> bool:
    """Say whether the user's own configuration lets git fetch from paths on this machine (`protocol.file.allow`)."""
    return users_own("protocol.file.allow") == "always"


def unreachable(urls: Sequence[str]) -> dict[str, str]:
    """Ask each of `urls` whether it answers; return why not, for those that did not.

    The URLs were found good by `git_url.refusal`. No checkout's configuration counts, nobody is asked anything.

    Raises:
        InfrastructureError: there is no git.
    """
    env = {**network_environment(), "GIT_DIR": os.devnull}
    commands = [["git", "ls-remote", "--quiet", "--", url, "HEAD"] for url in urls]
    ended = proc.together(commands, cwd=Path("/"), env=env, seconds=_NETWORK_SECONDS)
    return {url: first_words(done.stderr) for url, done in zip(urls, ended, strict=True) if done.code}


def network_environment() -> dict[str, str]:
    """Return the environment in which git asks remotes: by the user's own programs, and so that nobody is asked.

    It lets no checkout's configuration count only where git is told of another repo, or of none.
    """
    ssh = os.environ.get("GIT_SSH_COMMAND") or users_own("core.sshCommand") or "ssh"
    # What is left of us when we are killed ends by itself when nobody answers.
    patience = "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
    return {
        **environment(None, _PATIENCE),
        "GIT_ALLOW_PROTOCOL": "https:ssh:file" if local_allowed() else "https:ssh",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_SSH_COMMAND": f"{ssh} {patience}",
    }


def first_words(text: str) -> str:
    """Return the line that says why: the last one is git's general advice, warnings come first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.lower().startswith("warning")]
    return (told or lines or ["no reason given"])[0].removeprefix("fatal: ")


def users_own(key: str) -> str:
    """Return a setting of the user's and the machine's own configuration; empty if it is not set."""
    env = {**environment(None, steady=False), "GIT_DIR": os.devnull}
    return proc.run(["git", "config", "--get", key], cwd=Path("/"), env=env).stdout.rstrip("\n")
