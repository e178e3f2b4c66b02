"""The logins that `docker login` keeps; nothing here is ever printed.

The format is that of https://docs.docker.com/reference/cli/docker/login/#credential-stores
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import proc
from helpers.errors import ConfigError, InfrastructureError

# A credential helper may have to ask its user to unlock a keyring.
_HELPER_SECONDS = 60
# What a credential helper answers as the user's name when the secret is an identity token.
_TOKEN_USER = "<token>"


@dataclass(frozen=True)
class Login:
    """Who somebody is to a registry; its secrets are left out of its representation.

    Arguments:
        user: the user's name.
        password: the password or access token.
        identity_token: what stands for both, at registries that give one; empty otherwise.
    """

    user: str
    password: str = field(repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of a header `Authorization` by https://www.rfc-editor.org/rfc/rfc7617"""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


def find_login(host: str) -> Login | None:
    """Return the login for the registry `host` (with a port if any); None when there is none.

    Raises:
        ConfigError: Docker's configuration can not be read.
        InfrastructureError: a credential helper is missing or fails.
    """
    config = _docker_config()
    helper = _table(config, "credHelpers").get(host) or config.get("credsStore")
    from_helper = _ask_helper(str(helper), host) if helper else None
    return from_helper or _from_file(_table(config, "auths"), host)


def _config_file() -> Path:
    directory = os.environ.get("DOCKER_CONFIG")
    return (Path(directory) if directory else Path.home() / ".docker") / "config.json"


def _docker_config() -> dict[str, Any]:
    file = _config_file()
    try:
        config = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"cannot be read: {os.strerror(error.errno or 0).lower()}", where=file) from None
    except (ValueError, RecursionError):
        raise ConfigError("is not JSON", where=file, fix="mend it, or remove it and log in again") from None
    return config if isinstance(config, dict) else {}


def _table(config: dict[str, Any], key: str) -> dict[str, Any]:
    table = config.get(key)
    return table if isinstance(table, dict) else {}


def _from_file(auths: dict[str, Any], host: str) -> Login | None:
    # Old clients wrote a URL where newer ones write the host.
    by_host = {re.sub(r"^https?://", "", key).partition("/")[0]: value for key, value in auths.items()}
    entry = auths.get(host) or by_host.get(host)
    if not isinstance(entry, dict):
        return None
    token = str(entry.get("identitytoken") or "")
    try:
        user, _, password = base64.b64decode(str(entry.get("auth") or "")).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = password = ""
    login = Login(user or str(entry.get("username") or ""), password or str(entry.get("password") or ""), token)
    return login if login.user or token else None


def _ask_helper(name: str, host: str) -> Login | None:
    """Ask `docker-credential-NAME`: https://github.com/docker/docker-credential-helpers#development"""
    if not re.fullmatch(r"[\w.-]+", name):
        raise ConfigError(f"{name!r} in Docker's configuration is no credential helper")
    program = f"docker-credential-{name}"
    if shutil.which(program) is None:
        raise InfrastructureError(
            f"Docker's configuration names the credential helper {name!r}, and there is no {program} on PATH",
            where=_config_file(),
            fix=f"install it, or take it out of `credsStore` and `credHelpers` there, and: docker login {host}",
        )
    done = proc.run([program, "get"], stdin=f"{host}\n", timeout=_HELPER_SECONDS)
    try:
        answer = json.loads(done.stdout) if done.code == 0 else {}
        user, secret = str(answer.get("Username", "")), str(answer.get("Secret", ""))
    except (ValueError, AttributeError):
        raise InfrastructureError(f"{program} gave no JSON", fix=f"docker login {host}") from None
    if done.code and "not found" not in f"{done.stdout}{done.stderr}".lower():
        raise InfrastructureError(f"{program} failed with exit code {done.code}", fix=f"docker login {host}")
    if not secret:
        return None
    return Login("", "", secret) if user == _TOKEN_USER else Login(user, secret)
