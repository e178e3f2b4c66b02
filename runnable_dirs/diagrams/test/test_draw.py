"""The real `dot`: what it returns is parsed. Without the system package graphviz these tests fail, as they should."""

import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from diagrams.__main__ import main
from diagrams.draw import draw
from diagrams.graph import read_graph, to_dot

SAMPLE = Path(__file__).parent / "services.txt"
SVG = "{http://www.w3.org/2000/svg}"


def heights(lines: list[str]) -> dict[str, float]:
    """How high `dot` puts each name, in inches above the bottom, from its `plain` output."""
    plain = draw(to_dot(read_graph(lines)), "plain").decode()
    rows = [shlex.split(line) for line in plain.splitlines()]
    return {row[1]: float(row[3]) for row in rows if row[0] == "node"}


def titles(svg: bytes, kind: str) -> set[str]:
    """The titles of all groups of a class, `node` or `edge`, in an SVG picture."""
    groups = ET.fromstring(svg).iter(f"{SVG}g")
    return {group.findtext(f"{SVG}title", "") for group in groups if group.get("class") == kind}


def test_whoever_needs_stands_above_what_is_needed() -> None:
    graph = read_graph(SAMPLE.read_text(encoding="utf-8").splitlines())
    height = heights(SAMPLE.read_text(encoding="utf-8").splitlines())
    assert set(height) == set(graph.needs)
    assert all(height[name] > height[needed] for name, needed in graph.edges)


def test_names_that_need_the_same_stand_side_by_side() -> None:
    height = heights(["left: base", "right: base"])
    assert height["left"] == height["right"]


def test_the_svg_has_every_name_and_arrow() -> None:
    graph = read_graph(SAMPLE.read_text(encoding="utf-8").splitlines())
    svg = draw(to_dot(graph), "svg")
    assert titles(svg, "node") == set(graph.needs)
    assert titles(svg, "edge") == {f"{name}->{needed}" for name, needed in graph.edges}


def test_names_with_special_characters_survive() -> None:
    names = {'say"hi"', "a->b", "größe", "back\\slash"}
    svg = draw(to_dot(read_graph(f"{name}:" for name in names)), "svg")
    drawn = {text.text for text in ET.fromstring(svg).iter(f"{SVG}text")}
    assert drawn == names


def test_a_png_is_a_png() -> None:
    assert draw("digraph { a }", "png").startswith(b"\x89PNG")


def test_what_dot_refuses_is_told() -> None:
    with pytest.raises(RuntimeError, match="syntax error"):
        draw("digraph {", "svg")


def test_without_dot_the_message_names_the_system_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="system package graphviz"):
        draw("digraph { a }", "svg")


def test_the_command_writes_the_picture(tmp_path: Path) -> None:
    out = tmp_path / "services.svg"
    assert main([str(SAMPLE), "--out", str(out)]) == 0
    assert "mailer->queue" in titles(out.read_bytes(), "edge")


def test_the_command_draws_a_ring_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ring, out = tmp_path / "ring.txt", tmp_path / "ring.svg"
    ring.write_text("a: b\nb: a\n", encoding="utf-8")
    assert main([str(ring), "--out", str(out)]) == 1
    assert "a ring: " in capsys.readouterr().err
    assert b'stroke="red"' in out.read_bytes()
