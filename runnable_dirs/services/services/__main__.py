"""The command line: `python -m services`, set by variables like SERVICE_PORT."""

import io
import os
import secrets
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from services.links import Links, routes
from shared.journal import Journal
from shared.settings import Settings, SettingsError, read
from web.server import serving
from web.tokens import Tokens


@dataclass(frozen=True)
class Own(Settings):
    """The settings of this service; without a secret it makes one, and tokens end with it."""

    secret: str = ""


def main(argv: Sequence[str]) -> int:
    """Serve until somebody stops it; `--once` only shows that it starts."""
    try:
        settings = read(Own, os.environ)
    except SettingsError as error:
        print(f"services: {error}", file=sys.stderr)
        return 2
    journal = Journal(io.StringIO() if settings.quiet else sys.stdout, service="links")
    tokens = Tokens(settings.secret or secrets.token_hex())
    with serving(routes(Links(), tokens), journal, settings.host, settings.port) as url:
        journal.note("serving", url=url)
        if "--once" not in argv:
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
