"""The remote of a checkout by its configuration; pure."""

from __future__ import annotations

from helpers.model.porcelain import subsections

# The default name of a remote.
USUAL = "origin"
# https://git-scm.com/docs/git-config; settings of the user for the name of an existing remote.
_PREFERRED = ("checkout.defaultremote", "clone.defaultremotename")


def remotes(settings: list[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Return the settings of each remote by its name; of several URLs the first, the source of a fetch."""
    found = subsections(settings, "remote")
    for key, value in reversed(settings):
        name = key.removeprefix("remote.").removesuffix(".url")
        if name in found and key == f"remote.{name}.url":
            found[name]["url"] = value
    return found


def default(settings: list[tuple[str, str]], branch: str) -> str:
    """Return the name of the remote of a checkout.

    The order: the remote of the branch's upstream, the user's preferred remote, the only remote, `origin`.

    Arguments:
        settings: (key, value) of all scopes, in order.
        branch: the branch that is checked out; empty for none.
    """
    followed = subsections(settings, "branch").get(branch, {}).get("remote", ".")
    if followed != ".":  # a dot stands for a branch of the checkout itself
        return followed
    names = list(subsections(settings, "remote"))
    values = dict(settings)
    preferred = [values.get(key, "") for key in _PREFERRED]
    found = next((name for name in preferred if name in names), "")
    return found or (names[0] if len(names) == 1 else USUAL)
