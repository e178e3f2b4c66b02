"""What a base of the kind `archive:SUITE` is made of."""

from __future__ import annotations

# Debian's suites (https://www.debian.org/releases/) and the Python of each; empty where it changes.
PYTHON_OF_SUITE = {
    "bullseye": "3.9",
    "bookworm": "3.11",
    "trixie": "3.13",
    **dict.fromkeys(("forky", "duke", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"), ""),
}
# What every base holds besides the distribution's minimum: Python, git for a shell, certificates for both.
PACKAGES = ("python3", "git", "ca-certificates")
# Nobody reads manuals and translations in a container, and they are a fifth of its size.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*/LC_MESSAGES/*.mo")
DOCKERFILE = 'FROM scratch\nADD rootfs.tar /\nCMD ["/bin/bash"]\n'


def meant_suite(suite: str) -> str:
    """Return the known suite that `suite` is a slip of the pen for; empty if it is known, or like none of them."""
    if suite in PYTHON_OF_SUITE:
        return ""
    import difflib  # only for a name that we do not know

    # Names that we do not know are allowed (later releases, other distributions), so the likeness must be a close one.
    return next(iter(difflib.get_close_matches(suite, PYTHON_OF_SUITE, n=1, cutoff=0.82)), "")


def recipe(machine: str) -> str:
    """Return all that decides the content of an archive base but its suite, for the hash of its inputs.

    Arguments:
        machine: the architecture, as the kernel names it.
    """
    return "\n".join((*PACKAGES, *LEFT_OUT, DOCKERFILE, machine))
