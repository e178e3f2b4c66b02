"""What is known about the queue without simulating it (M/M/c: random arrivals, random service, c servers)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Queue:
    """Customers arrive at `arrivals` a minute; each of `servers` serves `services` a minute on average."""

    arrivals: float
    services: float
    servers: int

    def __post_init__(self) -> None:
        """Refuse a queue that cannot be."""
        if self.arrivals <= 0 or self.services <= 0 or self.servers < 1:
            raise ValueError(f"{self}: the rates must be above 0 and there must be a server")

    @property
    def load(self) -> float:
        """The share of time that a server is busy; from 1 upwards the queue grows without end."""
        return self.arrivals / (self.services * self.servers)


def chance_to_wait(queue: Queue) -> float:
    """The probability that a customer has to wait (Erlang's C formula); raises ValueError at a load of 1 or more."""
    if queue.load >= 1:
        raise ValueError(f"a load of {queue.load:.2f} has no steady state: add servers")
    blocked = 1.0  # Erlang's B formula, one server after the other: stable where factorials overflow
    offered = queue.arrivals / queue.services
    for servers in range(1, queue.servers + 1):
        blocked = offered * blocked / (servers + offered * blocked)
    return blocked / (1 - queue.load * (1 - blocked))


def mean_wait(queue: Queue) -> float:
    """The mean minutes before service begins, in the steady state."""
    return chance_to_wait(queue) / (queue.servers * queue.services - queue.arrivals)
