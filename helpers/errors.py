"""Every error that a user can meet, with the exit code it ends in (the contract of the command line)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The one place where an exit code is a number.
OK = 0
TESTS_FAILED = 1
# `--check` found something that is not as it should be.
DIFFERENT = TESTS_FAILED
USAGE = 2
BUILD_FAILED = 3
REFUSED = 4
NOTHING_RAN = 5
INFRASTRUCTURE = 6
DEADLINE = 7
CRASHED = 8
LOCK_HELD = 9
BUG = 70
SIGINT_EXIT = 130
SIGTERM_EXIT = 143

EXIT_CODES: dict[int, str] = {
    OK: "pass",
    TESTS_FAILED: "tests failed",
    USAGE: "bad usage or configuration",
    BUILD_FAILED: "image build failed",
    REFUSED: "refused by policy",
    NOTHING_RAN: "nothing selected or collected",
    INFRASTRUCTURE: "infrastructure (engine, registry, network, disk); worth a retry",
    DEADLINE: "deadline passed",
    CRASHED: "crashed (signal, out of memory, no verdict)",
    LOCK_HELD: "lock held",
    BUG: "a bug in helpers",
    SIGINT_EXIT: "interrupted (SIGINT)",
    SIGTERM_EXIT: "terminated (SIGTERM)",
}

# Worst first: of several outcomes in one run the one that stands first decides the exit code.
SEVERITY = (
    *(SIGINT_EXIT, SIGTERM_EXIT, BUG, INFRASTRUCTURE, LOCK_HELD, REFUSED, USAGE, BUILD_FAILED),
    *(CRASHED, DEADLINE, TESTS_FAILED, NOTHING_RAN, OK),
)
# Control characters of a name or an output, and characters that turn the direction of a text, are shown and not obeyed.
_SHOWN = {
    code: chr(code).encode("unicode_escape").decode()
    for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


class HelpersError(Exception):
    """An error with all that its reader needs: what happened, where, why, and the next command.

    Arguments:
        what: one sentence that says what is wrong.
        where: a file, `file:line` or directory.
        why: the reason, if it is not plain from `what`.
        fix: the next command or edit.
    """

    exit_code = BUG
    title = "internal error"

    def __init__(self, what: str, *, where: object = None, why: str | None = None, fix: str | None = None) -> None:
        what = what.translate(_SHOWN)
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.why = why and why.translate(_SHOWN)
        self.fix = fix and fix.translate(_SHOWN)

    def __str__(self) -> str:
        parts = [f"{self.where.translate(_SHOWN)}: {self.what}" if self.where else self.what]
        if self.why:
            parts.append(f"  why: {self.why}")
        if self.fix:
            parts.append(f"  fix: {self.fix}")
        return "\n".join(parts)

    @property
    def summary(self) -> str:
        """The error on one line, for a table."""
        text = self.what if not self.fix else f"{self.what}; fix: {self.fix}"
        return " ".join(text.split())


class UsageError(HelpersError):
    """The command line asks for something that does not exist or is not allowed."""

    exit_code = USAGE
    title = "bad usage"


class ConfigError(HelpersError):
    """A file that a user wrote (settings, changelog, lock) is wrong."""

    exit_code = USAGE
    title = "bad configuration"


class StaleError(ConfigError):
    """A lock file is missing, or was made for other settings: the command in `fix` writes it anew."""


class NotCheckedOutError(ConfigError):
    """A directory needs something of a submodule that is not checked out, maybe because the user has no access."""


class BuildError(HelpersError):
    """An image or environment could not be built."""

    exit_code = BUILD_FAILED
    title = "build failed"


class TestsFailedError(HelpersError):
    """Tests did not pass in an image that was to be released; `exit_code` is that of their verdict."""

    __test__ = False  # pytest would take it for a class of tests
    exit_code = TESTS_FAILED
    title = "tests failed"

    def __init__(self, what: str, code: int, *, where: object = None, fix: str | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.exit_code = code


class PolicyError(HelpersError):
    """The command would break a rule, for example run code with an image of another version."""

    exit_code = REFUSED
    title = "refused"


class NothingSelectedError(HelpersError):
    """No directory was selected, or no test was collected."""

    exit_code = NOTHING_RAN
    title = "nothing to do"


class InfrastructureError(HelpersError):
    """Engine, registry, network or disk did not do their part; a retry may help."""

    exit_code = INFRASTRUCTURE
    title = "infrastructure"


class LockHeldError(HelpersError):
    """Another process holds a lock for longer than we wait."""

    exit_code = LOCK_HELD
    title = "lock held"


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of a run whose parts ended in `codes`; an unknown code counts as our own bug.

    Raises:
        NothingSelectedError: when there are no codes: a run of nothing has no good end.
    """
    known = [code if code in SEVERITY else BUG for code in codes]
    if not known:
        raise NothingSelectedError("nothing ran")
    return min(known, key=SEVERITY.index)
