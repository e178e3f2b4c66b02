"""The names of a Python module whose values the module may change in place, under any other name."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """A name that shares its value with an expression.

    Arguments:
        name: of a variable.
        inner: whether only an item of the value is shared, and not the value itself.
    """

    name: str
    inner: bool = False


def changed_names(tree: ast.Module, changes: Collection[str], reads: Collection[str]) -> set[Share]:
    """Return the names with a value, or an item of the value, that a statement may change.

    Arguments:
        tree: of the module.
        changes: names of methods that change an object.
        reads: names of functions that change none of their arguments.
    """
    aliases: dict[str, set[Share]] = {}
    waiting: list[Share] = []
    for node in ast.walk(tree):
        waiting += _changed_by(node, changes, reads)
        for target, value, inner in _bindings(node):
            shares = {Share(one.name, one.inner or inner) for one in _shared([value], reads)}
            for name in _names(target):
                aliases.setdefault(name, set()).update(shares)
    found = set[Share]()
    while waiting:
        share = waiting.pop()
        if share not in found:
            found.add(share)
            waiting += (Share(one.name, one.inner or share.inner) for one in aliases.get(share.name, ()))
    return found


def _changed_by(node: ast.AST, changes: Collection[str], reads: Collection[str]) -> Iterator[Share]:
    if isinstance(node, ast.Attribute) and node.attr in changes:
        yield from map(Share, _root(node.value))
    elif isinstance(node, ast.Call) and _called(node) not in reads:
        yield from _shared([*node.args, *(item.value for item in node.keywords)], reads)
    elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
        yield from map(Share, _root(node.value))
    elif isinstance(node, ast.AugAssign):
        yield from map(Share, _names(node.target))
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from map(Share, node.names)


def _bindings(node: ast.AST) -> Iterator[tuple[ast.AST, ast.expr, bool]]:
    """Yield targets with their values, and whether a target gets items of its value."""
    if isinstance(node, ast.Assign):
        yield from ((target, node.value, not isinstance(target, ast.Name)) for target in node.targets)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value:
        yield node.target, node.value, False
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield node.target, node.iter, True
    elif isinstance(node, ast.withitem) and node.optional_vars:
        yield node.optional_vars, node.context_expr, False
    elif isinstance(node, ast.arguments):
        positional = [*node.posonlyargs, *node.args]
        yield from (
            (arg, value, False) for arg, value in zip(reversed(positional), reversed(node.defaults), strict=False)
        )
        pairs = zip(node.kwonlyargs, node.kw_defaults, strict=True)
        yield from ((arg, value, False) for arg, value in pairs if value)


def _names(target: ast.AST) -> list[str]:
    names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [*names, target.arg] if isinstance(target, ast.arg) else names


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _shared(nodes: Iterable[ast.AST], reads: Collection[str]) -> Iterator[Share]:
    """Yield the names whose values, or items of them, may be in the value of one of the expressions."""
    waiting = [(node, False) for node in nodes]
    while waiting:
        node, inner = waiting.pop()
        if isinstance(node, ast.Name):
            yield Share(node.id, inner)
        elif isinstance(node, ast.Call):
            # `list(names)` is a new list, but has the items of the old one.
            inner = inner or _called(node) in reads
            waiting += ((part, inner) for part in (*node.args, *(item.value for item in node.keywords)))
            waiting += [(node.func.value, True)] if isinstance(node.func, ast.Attribute) else []
        elif isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            waiting.append((node.value, True))
        elif not isinstance(node, (ast.Compare, ast.JoinedStr, ast.UnaryOp)):
            inner = inner or isinstance(node, ast.BinOp)
            waiting += ((part, inner) for part in ast.iter_child_nodes(node))


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id
