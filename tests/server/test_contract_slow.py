"""PROTOCOL.md, 7. "Operations", Watch: peers that do not read (docs/reliability.md, 28)."""

import time

import pytest
from processes import memory_kib, peak_kib, stretch
from wire_client import Closed, ask


@pytest.mark.fault(28)
@pytest.mark.alone
@pytest.mark.parametrize("hello", [True, False])
def test_slow_watcher_is_cut_off(start, group, hello):
    """A watcher that does not read is cut off at a bounded buffer (with a Bye where it said
    Hello) and never slows another; what it got until then has no gap."""
    # The caches are small and one task is changed, so that memory grows by buffers alone.
    daemon = start(watch_buffer=65_536, task_cache=1 << 20, event_cache=1 << 16)
    slow, quick, writer = daemon.connect(rcvbuf=4096), daemon.connect(), daemon.connect()
    if hello:
        slow.hello()
    slow.watch(where={"group_id": group})
    quick.watch(where={"group_id": group})
    count, size = 150, 100_000
    base = None
    worst = 0.0
    for n in range(count):
        began = time.monotonic()
        writer.register(group, group_id=group, user=str(n), description="x" * size)
        assert quick.event().task["user"] == str(n)
        worst = max(worst, time.monotonic() - began)
        base = base or peak_kib(daemon.pid)
    assert worst < 1.0 * stretch(), "the slow watcher slowed another"
    assert peak_kib(daemon.pid) - base < 32 << 10, "the buffer is not bounded"
    told = 0
    frame = slow.frame()
    while frame.header.get("Watch"):
        assert frame.body["task"]["user"] == str(told)
        told += 1
        if told == count:
            pytest.fail("never cut off")
        try:
            frame = slow.frame()
        except Closed:
            assert not hello, "closed without a Bye"
            break
    if hello:
        assert frame.header == {"Bye": True}
        slow.eof()
    quick.ping()


@pytest.mark.fault(28)
@pytest.mark.alone
def test_a_reader_that_never_reads_its_replies(start, group):
    """Replies wait in a bounded buffer; others are served meanwhile."""
    daemon = start(task_cache=1 << 20, write_timeout=120)
    slow, other = daemon.connect(rcvbuf=4096), daemon.connect()
    other.register(group, description="x" * 500_000, status="pending")
    before = memory_kib(daemon.pid, "Rss")
    slow.sock.setblocking(False)
    slow.sock.send(b"".join(ask("Find", {"id": group}, Seq=n) for n in range(400)))
    worst = 0.0
    for _ in range(200):
        began = time.monotonic()
        other.ping()
        worst = max(worst, time.monotonic() - began)
    grown = peak_kib(daemon.pid) - before
    assert grown < 48 << 10, f"16 KB of requests took {grown >> 10} MiB; a ping {worst:.2f} s"
    assert worst < 0.5 * stretch()
    for n in range(400):
        assert slow.reply(20).header["Seq"] == n


def test_pages_that_nobody_reads(start, group):
    """Pages of a Query wait in the same bounded buffer."""
    daemon = start(task_cache=1 << 20, write_timeout=120)
    slow, other = daemon.connect(rcvbuf=4096), daemon.connect()
    other.register(group, description="x" * 900_000, status="pending")
    before = memory_kib(daemon.pid, "Rss")
    slow.sock.setblocking(False)
    slow.sock.send(b"".join(ask("Query", {"where": {"id": group}}, Seq=n) for n in range(150)))
    for _ in range(30):
        with pytest.raises(TimeoutError):
            other.frame(0.05)
        other.ping()
    grown = peak_kib(daemon.pid) - before
    assert grown < 64 << 10, f"10 KB of requests took {grown >> 10} MiB"
