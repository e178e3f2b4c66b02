"""`[project]` (PEP 621), `[dependency-groups]` (PEP 735) and `[build-system]` (PEP 518) of `pyproject.toml`."""

from __future__ import annotations

from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.manifest.table import Table
from helpers.model.manifest import BuildSystem, Manifest, Stated
from helpers.model.poetry_lock import normal_name

# The name that PEP 621 has for a field, and ours.
FIELDS = {
    "version": "version",
    "requires-python": "requires_python",
    "dependencies": "dependencies",
    "optional-dependencies": "extras",
}
LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_MOST_DEPTH, _MOST_INCLUDED = 50, 50_000


def read(top: Table) -> Manifest:
    """Return the static fields of `[project]`; the dynamic fields are `unknown`.

    Raises:
        ConfigError: a field has a wrong type, or is both static and dynamic.
    """
    project = top.table("project")
    dynamic = project.texts("dynamic")
    if both := [name for name in dynamic if name in project and name in FIELDS]:
        raise ConfigError(f"[project] {both[0]} is set, and listed in dynamic", where=project.file)
    optional = project.table("optional-dependencies")
    return Manifest(
        kind="pep621",
        name=project.stated("name"),
        version=project.stated("version"),
        requires_python=project.stated("requires-python"),
        dependencies=project.list_stated("dependencies"),
        extras={name: optional.list_stated(name) for name in optional.data},
        unknown=frozenset(FIELDS[name] for name in dynamic if name in FIELDS),
    )


def groups(top: Table) -> dict[str, tuple[Stated, ...]]:
    """Return the requirements of each group of `[dependency-groups]`, included groups resolved.

    Raises:
        ConfigError: an item is neither a requirement nor a known group, or groups include each other in a cycle.
    """
    table = top.table("dependency-groups")
    written = {normal_name(name): name for name in table.data}
    done: dict[str, tuple[Stated, ...]] = {}

    def resolved(name: str, above: tuple[str, ...]) -> tuple[Stated, ...]:
        if name in above or len(above) > _MOST_DEPTH:
            how = "includes itself" if name in above else f"includes groups more than {_MOST_DEPTH} deep"
            raise ConfigError(cut(f"[dependency-groups] {name} {how}"), where=table.file)
        if name not in done:
            items: dict[Stated, None] = {}
            for item in table.items(written[name]):
                inner = item.get("include-group") if isinstance(item, dict) and len(item) == 1 else None
                if isinstance(inner, str) and normal_name(inner) in written:
                    items |= dict.fromkeys(resolved(normal_name(inner), (*above, name)))
                elif isinstance(inner, str):
                    wrong = f"[dependency-groups] {name} includes {excerpt(inner)}, which is no group"
                    raise ConfigError(wrong, where=table.file)
                else:
                    text = table.checked(written[name], item)
                    items[Stated(text, table.source(written[name]))] = None
            done[name] = tuple(items)
            if sum(map(len, done.values())) > _MOST_INCLUDED:
                raise ConfigError(f"[dependency-groups] hold more than {_MOST_INCLUDED} items", where=table.file)
        return done[name]

    return {name: resolved(key, ()) for key, name in written.items()}


def build_system(top: Table, *, has_script: bool, has_config: bool) -> BuildSystem | None:
    """Return the build backend; None if the project builds no distribution.

    Arguments:
        top: `pyproject.toml`; an empty table if there is none.
        has_script: whether there is a `setup.py`.
        has_config: whether a `setup.cfg` names a distribution.
    """
    tool = top.table("tool")
    backend = top.table("build-system").text("build-backend") or LEGACY_BACKEND
    # A flag for poetry is none for another backend, which pip would call.
    of_poetry = "build-system" not in top or backend.startswith("poetry")
    never = (
        of_poetry and not tool.table("poetry").flag("package-mode", True),
        not tool.table("uv").flag("package", True),
        not tool.table("pdm").flag("distribution", True),
    )
    if any(never):
        return None
    if "build-system" in top:
        table = top.table("build-system")
        return BuildSystem(backend, table.texts("requires"), table.texts("backend-path"))
    # https://pip.pypa.io/en/stable/reference/build-system/: `setup.cfg` alone is no project for pip.
    if has_script or (has_config and top.data):
        return BuildSystem(LEGACY_BACKEND, ("setuptools",))
    return None
