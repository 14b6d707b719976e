"""Thousands of idle connections: what each costs."""

import select
import time
from collections.abc import Callable

import pytest
from processes import cpu_s, memory_kib

from .conftest import Start
from .wire import BEAT, Client, WiredDaemon

_CONNECTIONS = 10_000
_ADDRESSES = 12
_BEATS_PER_S = 2_000
_BURST_S = 5.0
_SETTLE_S = 20.0
_MEMORY_MAX_KIB = 16.0
_CPU_MAX_US = 200.0


class Fleet:
    """All connections on one epoll."""

    def __init__(self, daemon: WiredDaemon, size: int, first: Client) -> None:
        self.clients: list[Client] = []
        self.epoll = select.epoll()
        for number in range(size):
            client = daemon.connect(source=f"127.0.0.{2 + number % _ADDRESSES}")
            self.clients.append(client)
            client.good("Register", id=f"idle-{number}", name="n", status="running")
            self.epoll.register(client.sock, select.EPOLLIN)
            if number % 1_000 == 999:
                for other in [first, *self.clients]:
                    other.send(BEAT)

    def beat_for(self, seconds: float, beats_per_s: float, spoken: Callable[[], None]) -> int:
        """Beat evenly, one connection after the other; none may be answered or closed."""
        began, beats = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < seconds:
            while beats < elapsed * beats_per_s:
                self.clients[beats % len(self.clients)].send(BEAT)
                beats += 1
            assert not self.epoll.poll(0.01), "a connection that beats was closed"
            spoken()
        return beats

    def close(self) -> None:
        self.epoll.close()
        for client in self.clients:
            client.close()


@pytest.mark.fault(29)
@pytest.mark.soak
def test_idle_connections_cost_little(start: Start) -> None:
    """10,000 beating connections, a task each: <= 16 KiB each, <= 200 us of CPU a beat."""
    daemon = start(
        heartbeat_timeout=30,
        max_connections=_CONNECTIONS + 10,
        max_connections_per_address=_CONNECTIONS,
    )
    with daemon.connect() as first:
        first.good("Register", id="first", name="n", status="finish")
        first.good("Query")
        before = {what: memory_kib(daemon.pid, what) for what in ("Pss", "Rss")}
        fleet = Fleet(daemon, _CONNECTIONS, first)
        try:
            _measure(daemon, fleet, first, before)
        finally:
            fleet.close()
    daemon.no_traceback()


def _measure(daemon: WiredDaemon, fleet: Fleet, first: Client, before: dict[str, int]) -> None:
    last = time.monotonic()

    def spoken() -> None:
        nonlocal last
        if time.monotonic() - last > 5:
            first.send(BEAT)
            last = time.monotonic()

    # Beat on every connection each 10 s, for long enough that a lost one would show.
    fleet.beat_for(_SETTLE_S, _CONNECTIONS / 10, spoken)
    each = {
        what: (memory_kib(daemon.pid, what) - kib) / _CONNECTIONS for what, kib in before.items()
    }
    cpu = cpu_s(daemon.pid)
    fleet.beat_for(2.0, 0, spoken)
    idle_cpu_per_s = (cpu_s(daemon.pid) - cpu) / 2.0
    cpu = cpu_s(daemon.pid)
    beats = fleet.beat_for(_BURST_S, _BEATS_PER_S, spoken)
    # Once a later question is answered, the last beats are done too.
    first.good("Find", id="first")
    beat_us = (cpu_s(daemon.pid) - cpu - idle_cpu_per_s * _BURST_S) / beats * 1e6
    print(
        f"\n{_CONNECTIONS} connections with a task: {each['Pss']:.2f} KiB Pss,"
        f" {each['Rss']:.2f} KiB Rss each; idle {idle_cpu_per_s * 100:.1f} % of a core;"
        f" {beats} beats at {beats / _BURST_S:.0f}/s: {beat_us:.1f} us of CPU each"
    )
    shut = first.good("Query", where={"status": "shutdown"}, limit=1000)
    assert shut["tasks"] == []
    assert each["Pss"] <= _MEMORY_MAX_KIB
    assert beat_us <= _CPU_MAX_US
