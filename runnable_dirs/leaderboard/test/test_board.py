"""All of these talk to a real Redis: the service of devops/compose.yaml."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from leaderboard import Board, Place
from leaderboard.board import connect


@pytest.fixture
def board(request: pytest.FixtureRequest) -> Board:
    """A board that no other test writes to."""
    return Board(request.node.name, connect())


def test_it_is_a_real_server_that_answers():
    assert connect().info("server")["redis_version"]


def test_nobody_has_been_here_before():
    assert not connect().exists("board:seen")
    connect().set("board:seen", "1")


def test_the_best_come_first(board):
    for player, score in [("ann", 10), ("bob", 30), ("cem", 20)]:
        assert board.report(player, score)
    assert board.top(2) == [Place(1, "bob", 30), Place(2, "cem", 20)]


def test_a_lower_score_changes_nothing(board):
    assert board.report("ann", 10)
    assert not board.report("ann", 9)
    assert board.top(1) == [Place(1, "ann", 10)]


def test_equal_scores_share_a_rank(board):
    for player, score in [("ann", 5), ("bob", 5), ("cem", 1)]:
        board.report(player, score)
    assert [place.rank for place in board.top(9)] == [1, 1, 3]


def test_many_writers_at_once_lose_no_best_score(board):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda score: board.report("ann", score), range(200)))
    assert board.top(1) == [Place(1, "ann", 199)]


def test_the_command_reports_and_shows():
    done = subprocess.run([sys.executable, "-m", "leaderboard", "go", "ann", "7"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "  1 ann 7\n"), done.stderr


def test_the_service_can_be_reached_and_the_rest_of_the_world_can_not():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
