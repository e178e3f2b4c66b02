"""Tokens that say who asks: signed, so that nobody makes one up, and good for a while."""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeTimedSerializer


class Tokens:
    """Makes and reads tokens.

    Arguments:
        secret: what they are signed with.
        seconds: how long one is good for.
    """

    def __init__(self, secret: str, seconds: int = 3600) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt="who")
        self._seconds = seconds

    def make(self, user: str) -> str:
        """Return a token of `user`."""
        return str(self._serializer.dumps(user))

    def user(self, token: str) -> str | None:
        """Return whose token it is; None if it is not signed by us, or too old."""
        try:
            return str(self._serializer.loads(token, max_age=self._seconds))
        except BadSignature:
            return None
