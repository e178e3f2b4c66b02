"""Reading a list and writing it for `dot`; no drawing."""

from itertools import pairwise

import pytest

from diagrams.graph import read_graph, to_dot


def test_names_come_in_order_of_mention_and_the_needed_ones_last() -> None:
    graph = read_graph(["web: orders", "orders: database  # and no cache", "", "# done"])
    assert graph.needs == {"web": ("orders",), "orders": ("database",), "database": ()}


def test_two_lines_of_one_name_are_joined() -> None:
    assert read_graph(["web: a b", "web: b c"]).needs["web"] == ("a", "b", "c")


@pytest.mark.parametrize("line", ["web orders", ": orders", "web app: orders"])
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_graph(["a: b", line])


def test_a_ring_is_found_in_the_direction_of_the_need() -> None:
    graph = read_graph(["top: a", "a: b", "b: c", "c: a"])
    ring = graph.cycle
    assert ring[0] == ring[-1]
    assert set(ring) == {"a", "b", "c"}
    assert set(pairwise(ring)) <= set(graph.edges)


def test_a_list_without_a_ring_has_no_cycle() -> None:
    assert read_graph(["a: b c", "b: c"]).cycle == []


def test_only_the_ring_is_red() -> None:
    red = [line for line in to_dot(read_graph(["top: a", "a: b", "b: a"])).splitlines() if "color=red" in line]
    assert [line.split()[0] for line in red] == ['"a"', '"b"']
