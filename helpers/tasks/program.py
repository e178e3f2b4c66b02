"""The program of invoke with our menu, and with our messages for a wrong command line."""

from __future__ import annotations

import sys
from collections.abc import Callable

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from helpers.console import report_error
from helpers.tasks import mistakes
from helpers.tasks.adapter import after_dashes


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
        self._refuse_words()

    def parse_cleanup(self) -> None:
        """Print what the options of invoke itself ask for."""
        if self.args.complete.value:
            from helpers.tasks import completion  # a run of a task does not need it

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
        takes_words = {name for name in self.collection.task_names if getattr(self.collection[name], "words", "")}
        sys.exit(report_error(mistakes.explain(caught, self.core.unparsed, self.parser.contexts, takes_words)))

    def _refuse_words(self) -> None:
        """End if words after `--` are for none of the tasks; a task of another repo may take some."""
        names = [str(task.name) for task in self.tasks]
        words = after_dashes()
        if words and names and not any(getattr(self.collection[name], "words", True) for name in names):
            sys.exit(report_error(mistakes.refused_words(names[-1], self.core.unparsed, words)))
