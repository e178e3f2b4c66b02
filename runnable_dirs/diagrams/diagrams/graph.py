"""Who needs whom: reading the list, and its text in the language of `dot`."""

from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise


@dataclass(frozen=True)
class Graph:
    """Each name with what it needs, both in order of first mention."""

    needs: dict[str, tuple[str, ...]]

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Every pair of a name and one that it needs."""
        return [(name, needed) for name, all_needed in self.needs.items() for needed in all_needed]

    @property
    def cycle(self) -> list[str]:
        """Names that need each other in a ring, the first again at the end; empty if there are none."""
        try:
            TopologicalSorter(self.needs).prepare()
        except CycleError as error:
            ring: list[str] = error.args[1]
            return ring[::-1]  # graphlib lists whoever is needed first
        return []


def read_graph(lines: Iterable[str]) -> Graph:
    """Read lines of the form `name: needed needed`; `#` begins a comment. Raises ValueError naming the line."""
    needs: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        name, colon, needed = text.partition(":")
        if not colon or len(name.split()) != 1:
            raise ValueError(f"line {number}: {text!r} is not of the form `name: needed needed`")
        known = needs.get(name.strip(), ())
        needs[name.strip()] = tuple(dict.fromkeys((*known, *needed.split())))
    for needed in [needed for all_needed in needs.values() for needed in all_needed]:
        needs.setdefault(needed, ())
    return Graph(needs)


def to_dot(graph: Graph) -> str:
    """The graph as text that `dot` reads: whoever needs stands above what is needed, a ring is red."""
    ring = graph.cycle
    red = set(pairwise(ring))
    nodes = [f"  {_quoted(name)};" for name in graph.needs]
    arrows = [
        f"  {_quoted(name)} -> {_quoted(needed)}{' [color=red]' if (name, needed) in red else ''};"
        for name, needed in graph.edges
    ]
    return "\n".join(["digraph {", "  node [shape=box];", *nodes, *arrows, "}", ""])


def _quoted(name: str) -> str:
    # In a quoted name only the quote is special; a backslash before it would undo the escape.
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
