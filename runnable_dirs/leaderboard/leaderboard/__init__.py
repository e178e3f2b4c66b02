"""Keeps the best scores of a game in Redis."""

from leaderboard.board import Board, Place

__all__ = ["Board", "Place"]
