"""`[tool.flit.metadata]`, the form of flit before PEP 621 (https://flit.pypa.io/en/stable/pyproject_toml.html)."""

from __future__ import annotations

from dataclasses import replace

from helpers.manifest.table import Table
from helpers.model.manifest import Manifest, Stated


def is_there(top: Table) -> bool:
    """Return whether flit's old table describes a project."""
    return "module" in top.table("tool", "flit", "metadata")


def read(top: Table) -> Manifest:
    """Return the project that flit's old table describes; the version is `unknown`, because a module states it.

    Raises:
        ConfigError: a field has a wrong type.
    """
    table = top.table("tool", "flit", "metadata")
    extra = table.table("requires-extra")
    extras = {name: extra.list_stated(name) for name in extra.data}
    if "dev-requires" in table:
        extras["dev"] = (*extras.get("dev", ()), *table.list_stated("dev-requires"))
    name = table.stated("dist-name") or table.stated("module")
    return Manifest(
        kind="flit",
        name=replace(name, value=name.value.rpartition(".")[2]) if name and "dist-name" not in table else name,
        requires_python=table.stated("requires-python"),
        dependencies=table.list_stated("requires"),
        extras=extras,
        unknown=frozenset({"version"}),
    )


def module(top: Table, name: Stated | None) -> str:
    """Return the dotted name of the module whose `__version__` is the version."""
    told = top.table("tool", "flit", "metadata").text("module") or top.table("tool", "flit", "module").text("name")
    return told or (name.value.replace("-", "_") if name else "")
