"""The rights that a runnable dir needs by its files, and the policy of the run; both before a container starts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from helpers import config, host
from helpers.containers.environment import services_file
from helpers.errors import PolicyError, UsageError
from helpers.model import policy as rules
from helpers.model.container_options import HOST_GATEWAY, ContainerOptions
from helpers.model.policy import Need, Policy
from helpers.model.runnable import RunnableDir
from helpers.model.settings import DOCKER
from helpers.repo import git_dirs


def needs(runnable: RunnableDir, *, tests: bool = True) -> list[Need]:
    """Return the rights that the containers of a runnable dir need.

    Arguments:
        runnable: the directory.
        tests: whether it is about a container of tests; a person works in a container with network and checkout.

    Raises:
        ConfigError: a key or value of its compose file is not allowed.
    """
    settings = runnable.settings
    found = _of_tests(runnable) if tests else []
    found += [Need(rules.ENV, f"env = [{name}]", name) for name in settings.inherited]
    if settings.docker:
        found.append(Need(f"docker-{settings.docker}", f'docker = "{settings.docker}" ({DOCKER[settings.docker]})'))
    found += _of_options(settings.options)
    if file := services_file(runnable):
        found += _of_services(runnable, file)
    return found


def _of_tests(runnable: RunnableDir) -> list[Need]:
    settings = runnable.settings
    found = [Need(rules.NETWORK, 'network = "bridge"')] if settings.network == "bridge" else []
    found += [Need(rules.WRITABLE, f"writable = [{', '.join(settings.writable)}]")] if settings.writable else []
    for setting, names in (("uses", runnable.uses), ("writable", settings.writable)):
        for name in names:
            if git_dirs.is_within(runnable.path / name, runnable.root):
                found.append(Need(rules.GIT, f"{setting} = [{name}]"))
    return found


def _of_options(options: ContainerOptions) -> list[Need]:
    found = [Need(rules.GPUS, f'gpus = "{options.gpus}"')] if options.gpus else []
    found += [Need(rules.DEVICES, f"devices = [{', '.join(options.devices)}]")] if options.devices else []
    to_host = [host for host in options.extra_hosts if host.endswith(f":{HOST_GATEWAY}")]
    return [*found, *([Need(rules.HOST_GATEWAY, f"extra_hosts = [{', '.join(to_host)}]")] if to_host else [])]


def _of_services(runnable: RunnableDir, file: Path) -> list[Need]:
    from helpers.engine import compose_file, service_names, service_rules  # only a directory with services needs it

    user = host.user()
    directory, root = (Path(os.path.realpath(path)) for path in (runnable.path, runnable.root))
    place = service_rules.Place(file, directory, root, f"{user.uid}:{user.gid}")
    found = compose_file.read(file)
    needed = service_rules.needs(found, place)
    service_names.check(found.get("services") or {}, runnable.settings.options, file)
    return needed


def lines(needed: Iterable[Need]) -> list[str]:
    """Return a line for each setting that weakens a container of tests; lines of services follow at their start."""
    told = [need for need in needed if not need.text.startswith("service ")]
    names = [need.detail for need in told if need.right == rules.ENV]
    others = [need.text for need in told if need.right != rules.ENV]
    return [*others, *([f"env = [{', '.join(names)}]"] if names else [])]


def text_of(given: str | None) -> str:
    """Return the text of the policy: of the command line, else of the environment; empty without a policy."""
    return os.environ.get("HELPERS_POLICY", "") if given is None else given


def policy_of(given: str | None, root: Path) -> Policy:
    """Return the policy of the command line, else the policy of the environment, else the rights without a policy.

    Arguments:
        given: the text of the command line; None if there is none.
        root: absolute path of the repo.

    Raises:
        UsageError: the text names no right, or a file that is missing or inside the checkout.
    """
    if given is not None and not given.strip():
        raise UsageError("--policy is empty", fix="--policy strict, or leave it out")
    text = text_of(given)
    if not text:
        return Policy()

    def read(name: str) -> str:
        file = Path(os.path.realpath(name))
        if file.is_relative_to(os.path.realpath(root)):
            raise UsageError(
                "a policy is not read from the checkout",
                where=file,
                why="a change of the checkout could grant itself every right",
                fix="keep the file outside the checkout, and name it by its path",
            )
        return config.read_text(file)

    return rules.parse(text, read)


def check(runnable: RunnableDir, name: str, given: Policy, *, tests: bool = True) -> tuple[str, ...]:
    """Return the rights granted by a policy to a runnable dir.

    Arguments:
        runnable: the directory.
        name: its path relative to the root, with forward slashes.
        given: the policy.
        tests: whether it is about a container of tests.

    Raises:
        ConfigError: its compose file is wrong.
        PolicyError: the directory needs a right that the policy does not grant.
    """
    if missing := given.missing(name, needs(runnable, tests=tests)):
        raise rules.refusal(name, missing, given.text)
    return given.rights_of(name)


def check_isolates(given: Policy, *, isolates: bool) -> None:
    """Refuse an engine that cannot enforce a policy.

    Arguments:
        given: the policy.
        isolates: whether the engine keeps tests apart from this machine.

    Raises:
        PolicyError: the policy withholds a right, and the engine withholds nothing.
    """
    if given.is_stricter and not isolates:
        raise PolicyError(
            f"the engine venv cannot hold the policy {given.text!r}",
            why="it isolates nothing: tests have every right of the caller",
            fix="main_pytest.py --engine docker, or --policy default",
        )
