"""Every error that a user can meet, with the exit code it ends in (the contract of the command line)."""

from __future__ import annotations

from collections.abc import Iterable

OK = 0
SIGINT_EXIT = 130
SIGTERM_EXIT = 143

# Worst first: of several outcomes in one run the one that stands first decides the exit code.
SEVERITY = (SIGINT_EXIT, SIGTERM_EXIT, 70, 6, 4, 2, 3, 8, 7, 1, 5, OK)


class HelpersError(Exception):
    """An error with all that its reader needs: what happened, where, why, and the next command.

    Arguments:
        what: one sentence that says what is wrong.
        where: a file, `file:line` or directory.
        why: the reason, if it is not plain from `what`.
        fix: the next command or edit.
    """

    exit_code = 70
    title = "internal error"

    def __init__(self, what: str, *, where: object = None, why: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
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


class TestsFailedError(HelpersError):
    """At least one test failed."""

    __test__ = False  # pytest must not take this class for a test
    exit_code = 1
    title = "tests failed"


class UsageError(HelpersError):
    """The command line asks for something that does not exist or is not allowed."""

    exit_code = 2
    title = "bad usage"


class ConfigError(HelpersError):
    """A file that a user wrote (settings, changelog, lock) is wrong."""

    exit_code = 2
    title = "bad configuration"


class BuildError(HelpersError):
    """An image or environment could not be built."""

    exit_code = 3
    title = "build failed"


class PolicyError(HelpersError):
    """The command would break a rule, for example run code with an image of another version."""

    exit_code = 4
    title = "refused"


class NothingSelectedError(HelpersError):
    """No directory was selected, or no test was collected."""

    exit_code = 5
    title = "nothing to do"


class InfrastructureError(HelpersError):
    """Engine, registry, network or disk did not do their part; a retry may help."""

    exit_code = 6
    title = "infrastructure"


class DeadlineError(HelpersError):
    """Something took longer than it was allowed to."""

    exit_code = 7
    title = "deadline passed"


class CrashError(HelpersError):
    """A process died by a signal, ran out of memory, or left no verdict."""

    exit_code = 8
    title = "crashed"


class LockHeldError(HelpersError):
    """Another process holds a lock for longer than we wait."""

    exit_code = 9
    title = "lock held"


EXIT_CODES: dict[int, str] = {
    0: "pass",
    1: "tests failed",
    2: "bad usage or configuration",
    3: "image build failed",
    4: "refused by policy",
    5: "nothing selected or collected",
    6: "infrastructure (engine, registry, network, disk); worth a retry",
    7: "deadline passed",
    8: "crashed (signal, out of memory, no verdict)",
    9: "lock held",
    70: "a bug in helpers",
    130: "interrupted (SIGINT)",
    143: "terminated (SIGTERM)",
}


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of a run whose parts ended in `codes`; an unknown code counts as our own bug.

    Raises:
        NothingSelectedError: when there are no codes: a run of nothing has no good end.
    """
    known = [code if code in SEVERITY else 70 for code in codes]
    if not known:
        raise NothingSelectedError("nothing ran")
    return min(known, key=SEVERITY.index)
