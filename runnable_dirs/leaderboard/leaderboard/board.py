"""A board of scores that several servers may write to at once."""

from __future__ import annotations

import os
from dataclasses import dataclass

import redis


@dataclass(frozen=True)
class Place:
    """One line of a board.

    Arguments:
        rank: 1 is the best.
        player: who.
        score: how many points.
    """

    rank: int
    player: str
    score: int


class Board:
    """The scores of one game.

    Arguments:
        game: its name.
        client: the Redis that keeps them.
    """

    def __init__(self, game: str, client: redis.Redis) -> None:
        self._key = f"board:{game}"
        self._client = client

    def report(self, player: str, score: int) -> bool:
        """Take a score; return whether it is the player's best so far."""
        # Redis compares, not we: of two writers at once none can lose the better score.
        return bool(self._client.zadd(self._key, {player: score}, gt=True, ch=True))

    def top(self, count: int) -> list[Place]:
        """Return the `count` best players, best first; equal scores share a rank."""
        rows = self._client.zrevrange(self._key, 0, count - 1, withscores=True)
        places: list[Place] = []
        for number, (player, score) in enumerate(rows, start=1):
            same = bool(places) and places[-1].score == int(score)
            places.append(Place(places[-1].rank if same else number, player.decode(), int(score)))
        return places


def connect() -> redis.Redis:
    """Return a client of the Redis that `REDIS_HOST` and `REDIS_PORT` name."""
    return redis.Redis(os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"]))
