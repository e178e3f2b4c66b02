"""Builds an image whose user is the caller, upon one of ours, for containers that an editor starts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from helpers import host, proc
from helpers.engine import argv, client
from helpers.engine.seam import BuildContext
from helpers.engine.specs import ImageSpec
from helpers.errors import BuildError
from helpers.model.image import LABEL_INPUTS, Base, BaseKind
from helpers.storage import digest, scratch, use

RECIPE = Path(__file__).parent / "recipe" / "account.Dockerfile"
_BUILD_SECONDS = 600.0


def ensure(reference: str, base: str, user: host.User, environment: Mapping[str, str]) -> bool:
    """Build the image `reference` upon the image `base` unless it is there, and say whether it was built.

    Arguments:
        reference: what it is called; the name moves to what is built.
        base: reference of an image that the engine has.
        user: who works in it.
        environment: variables that it sets.

    Raises:
        BuildError: it did not build.
    """
    accounts = client.account_files(user)
    recipe = RECIPE.read_text(encoding="utf-8") + _variables(environment)
    below = client.find_image(base)
    inputs = digest(below.id if below else base, accounts.name, recipe)
    use("images", reference)
    found = client.find_image(reference)
    if found and found.labels.get(LABEL_INPUTS) == inputs:
        return False
    with scratch() as aside:
        for name in ("passwd", "group"):
            shutil.copyfile(accounts / name, aside / name)
        (aside / "Dockerfile").write_text(recipe, encoding="utf-8")
        image = ImageSpec(reference, reference, inputs, Base(BaseKind.IMAGE, base), labels={LABEL_INPUTS: inputs})
        arguments = {"BASE": base, "OWNER": f"{user.uid}:{user.gid}", "HOME": user.home}
        context = BuildContext(aside, aside / "Dockerfile", "", arguments, {})
        done = proc.run(argv.build(image, context), timeout=_BUILD_SECONDS)
    if done.code:
        raise BuildError(f"the image did not build: {done.reason}", where=reference, fix="invoke doctor")
    return True


def _variables(environment: Mapping[str, str]) -> str:
    return "".join(f"ENV {name}={json.dumps(value)}\n" for name, value in environment.items())
