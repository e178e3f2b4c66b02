"""Which package of Debian and Ubuntu brings a program that tests often start."""

from __future__ import annotations

# Programs that have the name of their package.
_SAME = (
    *("bc", "bzip2", "cargo", "clang", "clang-format", "cmake", "curl", "expect", "ffmpeg", "file", "fish", "g++"),
    *("gcc", "gdb", "gfortran", "git", "gpg", "jq", "ksh", "less", "lsof", "make", "nano", "npm", "openssl", "pandoc"),
    *("patch", "pkg-config", "rsync", "ruby", "rustc", "screen", "sqlite3", "strace", "sudo", "swig", "tcsh", "tmux"),
    *("tree", "unzip", "valgrind", "vim", "wget", "xclip", "xsel", "zip", "zsh", "zstd"),
)
_OTHER = {
    **dict.fromkeys(("ps", "top", "free", "pgrep", "pkill", "uptime", "watch"), "procps"),
    **dict.fromkeys(("killall", "pstree", "fuser"), "psmisc"),
    **dict.fromkeys(("ssh", "scp", "sftp", "ssh-keygen", "ssh-agent"), "openssh-client"),
    **dict.fromkeys(("dig", "nslookup"), "bind9-dnsutils"),
    **dict.fromkeys(("ifconfig", "netstat"), "net-tools"),
    **dict.fromkeys(("convert", "identify", "mogrify"), "imagemagick"),
    **dict.fromkeys(("latex", "pdflatex"), "texlive-latex-base"),
    **dict.fromkeys(("Xvfb", "xvfb-run"), "xvfb"),
    **dict.fromkeys(("locale-gen", "localedef"), "locales"),
    **dict.fromkeys(("column", "hexdump"), "bsdextrautils"),
    "7z": "p7zip-full",
    "cc": "gcc",
    "c++": "g++",
    "crontab": "cron",
    "csh": "tcsh",
    "dot": "graphviz",
    "go": "golang-go",
    "gs": "ghostscript",
    "hg": "mercurial",
    "ip": "iproute2",
    "java": "default-jre-headless",
    "javac": "default-jdk-headless",
    "man": "man-db",
    "mysql": "default-mysql-client",
    "nc": "netcat-openbsd",
    "ninja": "ninja-build",
    "node": "nodejs",
    "ping": "iputils-ping",
    "psql": "postgresql-client",
    "redis-cli": "redis-tools",
    "svn": "subversion",
    "uuidgen": "uuid-runtime",
    "xdg-open": "xdg-utils",
    "xz": "xz-utils",
}
# Python's words if a locale is missing; `locales-all` holds all locales, compiled.
LOCALE_ERROR, LOCALES = "unsupported locale setting", "locales-all"


def package_of(program: str) -> str:
    """Return the package that brings `program`; empty for an unknown program."""
    return program if program in _SAME else _OTHER.get(program, "")
