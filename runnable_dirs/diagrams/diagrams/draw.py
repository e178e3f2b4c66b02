"""The drawing itself, done by the program `dot` of the system package graphviz."""

import graphviz  # type: ignore[import-untyped]  # it brings no types

FORMATS = ("svg", "png", "pdf", "plain")


def draw(dot_text: str, form: str) -> bytes:
    """Lay out `dot_text` and return the picture in one of `FORMATS`; raises RuntimeError if `dot` cannot."""
    try:
        picture: bytes = graphviz.Source(dot_text).pipe(format=form)
    except graphviz.ExecutableNotFound:
        raise RuntimeError(
            "the program `dot` is not installed here: it comes with the system package graphviz, which the image of "
            "this directory has (run `invoke docker_cmd -- python -m diagrams ...`)"
        ) from None
    except graphviz.CalledProcessError as error:
        raise RuntimeError(f"dot refused the graph: {error.stderr.decode(errors='replace').strip()}") from None
    return picture
