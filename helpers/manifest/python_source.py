"""Values in Python files of other people, read from the syntax tree: nothing is imported and nothing runs."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import checkout_file
from helpers.manifest.changed_names import Share, changed_names

_MOST_BYTES, _MOST_DEPTH, _MOST_WORK = 256 * 1024, 40, 1_000_000
_CONSTANTS = (str, bytes, int, float, complex, type(None), Path)
# Methods that change a list, set or dictionary.
_CHANGES = frozenset(
    (
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault", "add"),
        *("discard", "popitem", "__setitem__", "__iadd__"),
    )
)
# Functions that read their argument only.
_READS = frozenset(("len", "list", "tuple", "sorted", "set", "dict", "sum", "print", "str", "repr", "setup", "join"))


class NotPlainError(Exception):
    """A value is computed by code."""


def parse(file: Path) -> ast.Module | None:
    """Return the syntax tree of a Python file; None if it is missing, too large, or of another Python.

    Raises:
        ConfigError: the file is refused by `checkout_file`.
    """
    content = checkout_file.read_if_there(file)
    if content is None or len(content) > _MOST_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def attribute(file: Path, name: str) -> str:
    """Return the string that a module gives to a name; empty if it computes the value."""
    tree = parse(file)
    if tree is None:
        return ""
    scope = Scope(tree, file.parent, file.parent)
    try:
        found = scope.value(ast.Name(name, ast.Load()))
    except NotPlainError:
        return ""
    return found if isinstance(found, str) else ""


@dataclass
class Scope:
    """The names of a module that stand for plain values.

    Arguments:
        tree: of the module.
        here: absolute path of the directory of the module.
        project: absolute path of the directory that files are read from.
    """

    tree: ast.Module
    here: Path
    project: Path
    _bound: dict[str, list[ast.expr | None]] = field(default_factory=dict)
    _changed: set[Share] = field(default_factory=set)
    _known: dict[str, Any] = field(default_factory=dict)
    _opened: dict[int, ast.expr] = field(default_factory=dict)
    _left: int = _MOST_WORK

    def __post_init__(self) -> None:
        top = {id(node): value for node, value in _top_bindings(self.tree.body)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.With):
                # A script often opens several files under one name.
                self._opened |= dict(_uses_of_files(node))
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self._bound.setdefault(node.id, []).append(top.get(id(node)))
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for item in node.names:
                    self._bound.setdefault((item.asname or item.name).partition(".")[0], []).append(None)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self._bound.setdefault(node.name, []).append(None)
        self._changed = changed_names(self.tree, _CHANGES, _READS)

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """Return the value of an expression.

        Raises:
            NotPlainError: code computes the value.
        """
        if depth > _MOST_DEPTH:
            raise NotPlainError
        self.spend(1)
        if isinstance(node, ast.Constant):
            return node.value
        reader = _READERS.get(type(node))
        if reader is None:
            raise NotPlainError
        value = reader(self, node, depth + 1)
        if isinstance(value, (str, list, tuple, dict)):
            self.spend(len(value))
        return value

    def spend(self, count: int) -> None:
        """Count characters, items and steps, before a value of this size is built.

        Raises:
            NotPlainError: the script has reached the limit.
        """
        self._left -= count
        if self._left < 0:
            raise NotPlainError

    def name(self, node: ast.Name, depth: int) -> Any:
        """Return the value of a name that is bound once, at the top of the module."""
        if node.id == "__file__":
            return str(self.here / "setup.py")
        if id(node) in self._opened:
            return self.value(self._opened[id(node)], depth)
        values = self._bound.get(node.id, [])
        if len(values) != 1 or values[0] is None:
            raise NotPlainError
        if node.id not in self._known:
            value = self.value(values[0], depth)
            items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
            is_changed = Share(node.id) in self._changed and not isinstance(value, _CONSTANTS)
            if is_changed or (Share(node.id, True) in self._changed and not all(map(_is_constant, items))):
                raise NotPlainError
            self._known[node.id] = value
        return self._known[node.id]

    def text_of(self, path: object) -> str:
        """Return the content of a file of the project."""
        whole = Path(os.path.normpath(self.project / str(path)))
        if not whole.is_relative_to(self.project) or not whole.is_file():
            raise NotPlainError
        content = checkout_file.read_if_there(whole)
        return (content or b"").decode("utf-8", "replace").replace("\r\n", "\n")


@dataclass(frozen=True)
class _File:
    """A file that a script opened."""

    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines(keepends=True)


def _is_constant(value: object) -> bool:
    return isinstance(value, _CONSTANTS)


def _top_bindings(body: list[ast.stmt]) -> Iterator[tuple[ast.Name, ast.expr]]:
    """Yield the names that statements at the top of a module bind, and their values."""
    for node in body:
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target, node.value
        elif isinstance(node, ast.With):
            for item in node.items:
                if isinstance(item.optional_vars, ast.Name):
                    yield item.optional_vars, item.context_expr
            yield from _top_bindings(node.body)


def _uses_of_files(block: ast.With) -> Iterator[tuple[int, ast.expr]]:
    """Yield the identity of each use of the name of a `with` inside its block, and the expression after `with`."""
    names = {
        item.optional_vars.id: item.context_expr for item in block.items if isinstance(item.optional_vars, ast.Name)
    }
    for statement in block.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value:
            for node in ast.walk(statement.value):
                if isinstance(node, ast.Name) and node.id in names:
                    yield id(node), names[node.id]


def _sequence(scope: Scope, node: Any, depth: int) -> Any:
    kinds: dict[type, Callable[[list[Any]], Any]] = {ast.Tuple: tuple, ast.Set: list, ast.List: list}
    found: list[Any] = []
    for item in node.elts:
        if isinstance(item, ast.Starred):
            inner = scope.value(item.value, depth)
            scope.spend(len(inner) if isinstance(inner, (list, tuple)) else _refuse())
            found += inner
        else:
            found.append(scope.value(item, depth))
    return kinds[type(node)](found)


def _dictionary(scope: Scope, node: Any, depth: int) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        inner = scope.value(value, depth)
        if key is None:
            scope.spend(len(inner) if isinstance(inner, dict) else _refuse())
            found |= inner
        else:
            name = scope.value(key, depth)
            found[name if isinstance(name, str) else _refuse()] = inner
    return found


def _sum(scope: Scope, node: Any, depth: int) -> Any:
    left, right = scope.value(node.left, depth), scope.value(node.right, depth)
    if isinstance(node.op, ast.Add) and type(left) is type(right) and isinstance(left, (str, list, tuple)):
        scope.spend(len(left) + len(right))
        return left + right
    if isinstance(node.op, ast.Div) and isinstance(left, Path) and isinstance(right, str):
        return left / right
    return _refuse()


def _formatted(scope: Scope, node: Any, depth: int) -> str:
    texts = []
    for part in node.values:
        value = scope.value(part.value if isinstance(part, ast.FormattedValue) else part, depth)
        plain = isinstance(part, ast.Constant) or (part.conversion == -1 and part.format_spec is None)
        texts.append(value if plain and isinstance(value, str) else _refuse())
    return "".join(texts)


def _member(scope: Scope, node: Any, depth: int) -> Any:
    value = scope.value(node.value, depth)
    if isinstance(value, dict):
        key = scope.value(node.slice, depth)
        return value[key] if isinstance(key, str) and key in value else _refuse()
    return _refuse()


def _attribute(scope: Scope, node: Any, depth: int) -> Any:
    value = scope.value(node.value, depth)
    return value.parent if node.attr == "parent" and isinstance(value, Path) else _refuse()


def _comprehension(scope: Scope, node: Any, depth: int) -> list[Any]:
    """Return the lines of `[line.strip() for line in VALUE if line ...]`; comments and empty lines do not count."""
    if len(node.generators) != 1 or not isinstance(node.generators[0].target, ast.Name):
        _refuse()
    loop = node.generators[0]
    value = scope.value(loop.iter, depth)
    lines = value.lines if isinstance(value, _File) else value
    inner = node.elt
    while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr in _STRIPS:
        inner = inner.func.value
    plain = isinstance(inner, ast.Name) and inner.id == loop.target.id and isinstance(lines, list)
    if not plain or not all(_selects_lines(test, loop.target.id) for test in loop.ifs):
        _refuse()
    texts = [line.strip() if isinstance(line, str) else _refuse() for line in lines]
    return [text for text in texts if text and not text.startswith("#")] if loop.ifs else texts


def _selects_lines(node: ast.expr, name: str) -> bool:
    """Return whether a condition of a comprehension only leaves out empty lines and comments."""
    allowed = (ast.Name, ast.Call, ast.Attribute, ast.UnaryOp, ast.Not, ast.BoolOp, ast.And, ast.Load, ast.Constant)
    parts = list(ast.walk(node))
    words = {part.attr for part in parts if isinstance(part, ast.Attribute)}
    texts = {part.value for part in parts if isinstance(part, ast.Constant)}
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return (
        all(isinstance(part, allowed) for part in parts)
        and words <= {*_STRIPS, "startswith"}
        and texts <= {"#", ""}
        and names == {name}
    )


_STRIPS = ("strip", "rstrip", "lstrip")


def _call(scope: Scope, node: Any, depth: int) -> Any:
    name = dotted(node.func)
    keywords = {item.arg for item in node.keywords}
    if name in ("open", "io.open", "codecs.open") and node.args and keywords <= {"encoding", "mode", "errors"}:
        return _File(scope.text_of(scope.value(node.args[0], depth)))
    if name == "dict" and not node.args and None not in keywords:
        return {item.arg: scope.value(item.value, depth) for item in node.keywords}
    arguments = [scope.value(item, depth) for item in node.args]
    if name in ("os.path.join", "path.join", "join") and arguments and not keywords:
        return os.path.join(*map(str, arguments))
    if name in ("os.path.dirname", "path.dirname", "dirname") and len(arguments) == 1:
        return os.path.dirname(str(arguments[0]))
    if name in _SAME and len(arguments) == 1 and not keywords:
        return arguments[0]
    if name in ("Path", "pathlib.Path") and len(arguments) == 1:
        return Path(str(arguments[0]))
    if name in ("list", "sorted", "tuple") and len(arguments) == 1 and isinstance(arguments[0], (list, tuple, _File)):
        value = arguments[0]
        return value.lines if isinstance(value, _File) else list(value)
    if isinstance(node.func, ast.Attribute):
        return _method(scope.value(node.func.value, depth), node.func.attr, arguments, scope)
    return _refuse()


_SAME = ("os.path.abspath", "path.abspath", "abspath", "os.path.realpath", "os.path.normpath", "str")


def dotted(node: ast.expr) -> str:
    """Return a name with its attributes, as in `os.path.join`; empty for another expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _method(value: Any, name: str, arguments: list[Any], scope: Scope) -> Any:
    if isinstance(value, Path) and name in ("resolve", "absolute") and not arguments:
        return value
    if isinstance(value, Path) and name in ("read_text", "open"):
        text = scope.text_of(value)
        return text if name == "read_text" else _File(text)
    if isinstance(value, Path) and name == "joinpath":
        return value.joinpath(*map(str, arguments))
    if isinstance(value, _File) and name in ("read", "readlines") and not arguments:
        return value.text if name == "read" else value.lines
    if isinstance(value, str) and name in (*_STRIPS, "splitlines", "split") and len(arguments) <= 1:
        plain = all(isinstance(item, str) and item for item in arguments)
        return getattr(value, name)(*arguments) if plain else _refuse()
    return _refuse()


def _refuse() -> Any:
    raise NotPlainError


_READERS: dict[type, Callable[[Scope, Any, int], Any]] = {
    ast.Name: Scope.name,
    ast.Attribute: _attribute,
    ast.Subscript: _member,
    ast.BinOp: _sum,
    ast.JoinedStr: _formatted,
    ast.Call: _call,
    ast.Dict: _dictionary,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    **dict.fromkeys((ast.List, ast.Tuple, ast.Set), _sequence),
}
