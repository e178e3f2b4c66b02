"""The program of invoke with our menu, and with our messages for a wrong command line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from invoke.exceptions import Exit, ParseError
from invoke.program import Program


class HelpersProgram(Program):
    """Reads and runs command lines with our tasks."""

    def list_flat(self) -> None:
        """Print the menu; the tasks of one namespace only, of another repo, as invoke does."""
        if self.list_root:
            super().list_flat()
            return
        from helpers.tasks import menu  # a run of a task does not need it

        print(menu.text(self.collection))

    def parse_tasks(self) -> None:
        """Read the words after the options of invoke itself."""
        self._explained(super().parse_tasks)

    def parse_cleanup(self) -> None:
        """Print what the options of invoke itself ask for."""
        if self.args.complete.value:
            from helpers.tasks import completion
            from helpers.tasks.adapter import after_dashes

            words = after_dashes()
            print("\n".join(completion.answer(words, self.initial_context, self.parser.contexts, self.collection)))
            raise Exit
        self._explained(super().parse_cleanup)

    def _explained(self, step: Callable[[], None]) -> None:
        """Take a step of invoke; end with one of our messages if the command line is wrong."""
        try:
            step()
            return
        except ParseError as error:
            caught = error
        from helpers.console import report_error
        from helpers.tasks import mistakes

        sys.exit(report_error(mistakes.explain(caught, self.core.unparsed, self.parser.contexts)))
