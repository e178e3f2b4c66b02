"""What the shim `main_pytest.py` calls first; apart from `bootstrap.py`, so that even that one is read compiled."""

from __future__ import annotations

from helpers.thin_env import use_bytecode_cache


def start(script: str, module: str) -> int:
    """What a shim does: enter the thin environment, then call `main()` of a module and return its exit code.

    Arguments:
        script: the shim's `__file__`.
        module: the full name of a module with `main() -> int`.
    """
    use_bytecode_cache()
    from helpers.thin_env import bootstrap

    return bootstrap.run(script, module)
