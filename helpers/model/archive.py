"""What a base of the kind `archive:SUITE` is made of."""

from __future__ import annotations

# Debian's suites (https://www.debian.org/releases/) and the Python of each; empty where it changes.
PYTHON_OF_SUITE = {
    "bullseye": "3.9",
    "bookworm": "3.11",
    "trixie": "3.13",
    **dict.fromkeys(("forky", "duke", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"), ""),
}
# What every base holds besides the distribution's minimum: Python, and certificates for whatever it fetches.
PACKAGES = ("python3", "ca-certificates")
# The same as patterns of apt (apt-patterns(7)): mmdebstrap's variant `minbase` is the first three.
CONTENT = ("?essential", "?priority(required)", "apt", *PACKAGES)
# Nobody reads manuals and translations in a container, and they are a fifth of its size.
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*/LC_MESSAGES/*.mo")
# The stage `dev` adds what a person works with in a container.
DOCKERFILE = """\
FROM scratch AS prod
ARG TARGETARCH
ADD rootfs-${TARGETARCH}.tar /
CMD ["/bin/bash"]

FROM prod AS dev
RUN --mount=type=secret,id=host_env --mount=type=secret,id=apt_sources --mount=type=secret,id=ca \\
    set -eu; \\
    . /run/secrets/host_env; \\
    export DEBIAN_FRONTEND=noninteractive; \\
    sources="-o Dir::Etc::SourceList=/run/secrets/apt_sources"; \\
    apt-get $sources -q update; \\
    apt-get $sources -q install -y --no-install-recommends git; \\
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/cache/ldconfig/* /var/log/*
"""


def meant_suite(suite: str) -> str:
    """Return the known suite that `suite` is a slip of the pen for; empty if it is known, or like none of them."""
    if suite in PYTHON_OF_SUITE:
        return ""
    import difflib  # only for a name that we do not know

    # Names that we do not know are allowed (later releases, other distributions), so the likeness must be a close one.
    return next(iter(difflib.get_close_matches(suite, PYTHON_OF_SUITE, n=1, cutoff=0.82)), "")


def recipe() -> str:
    """Return all that decides the content of an archive base but its suite, for the hash of its inputs."""
    return "\n".join((*PACKAGES, *LEFT_OUT, DOCKERFILE))
