"""The command: `python -m leaderboard GAME [PLAYER SCORE]`."""

import argparse

from leaderboard.board import Board, connect

parser = argparse.ArgumentParser(prog="leaderboard", description="Report a score, and show the ten best.")
parser.add_argument("game")
parser.add_argument("player", nargs="?")
parser.add_argument("score", nargs="?", type=int)
options = parser.parse_args()
board = Board(options.game, connect())
if options.player and options.score is not None:
    board.report(options.player, options.score)
for place in board.top(10):
    print(f"{place.rank:3} {place.player} {place.score}")
