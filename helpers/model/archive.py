"""What a base of the kind `archive:SUITE` is made of."""

from __future__ import annotations

# What every base holds besides the distribution's minimum: Python, git for a shell, certificates for both.
PACKAGES = ("python3", "git", "ca-certificates")
# Nobody reads manuals and translations in a container, and they are a fifth of its size.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*/LC_MESSAGES/*.mo")
DOCKERFILE = 'FROM scratch\nADD rootfs.tar /\nCMD ["/bin/bash"]\n'


def recipe(machine: str) -> str:
    """Return all that decides the content of an archive base but its suite, for the hash of its inputs.

    Arguments:
        machine: the architecture, as the kernel names it.
    """
    return "\n".join((*PACKAGES, *LEFT_OUT, DOCKERFILE, machine))
