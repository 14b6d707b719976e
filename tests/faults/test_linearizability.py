"""Fault 14: operations on one task look as if done one after another, whatever happens.

    tools/test --fault 14 --seconds 600

Several clients work on the same few tasks while the daemon is killed and started again, stopped and
continued, and connections are reset. New tasks are taken every few seconds, so that histories stay
short. Planted bugs show that the checker finds what it should.
"""

import math
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskdash.testing import COMMAND

from .conftest import Start
from .linearizability import ABSENT, DONE, EXISTS, REFUSED, UNKNOWN, Operation, is_linearizable
from .wire import Client, Gone, WiredDaemon, pace

_CLIENTS = 6
_TASKS = 3
_ROUND_S = 3.0
_ANSWER_S = 5.0

# A planted bug: now and then the answer is what was true a moment ago.
STALE = """
import random, sys
from taskdashd.server import connection
from taskdashd.server.finds import Finds
from taskdashd.store.transaction import View
Finds.answer = Finds.body = lambda self, _: None
real, before = View.commit, {}
def commit(self, changes):
    for change in changes:
        if change.previous is not None:
            before[change.task.id] = change.previous
    real(self, changes)
committed = View.committed
def stale(self, task_id):
    task = committed(self, task_id)
    return before.get(task_id, task) if random.random() < 0.05 else task
View.commit, View.committed = commit, stale
from taskdashd.cli import main
sys.argv[0] = "taskdashd"
main()
"""

# A planted bug: now and then a commit is acknowledged without being stored, as a kill shows.
FORGETFUL = """
import random, sys
from taskdashd.store.database import Database
append = Database.append
Database.append = lambda self, changes, *beside: (
    append(self, changes, *beside) if random.random() < 0.5 else None)
from taskdashd.cli import main
sys.argv[0] = "taskdashd"
main()
"""


class Run:
    """A daemon that is killed, stopped and reset, and the histories of its clients."""

    def __init__(
        self,
        start: Start,
        command: Sequence[str] = COMMAND,
        disturbed_by: tuple[str, ...] = ("kill", "stop", "reset", "reset"),
    ) -> None:
        self._start, self._command, self._disturbed_by = start, command, disturbed_by
        self.daemon: WiredDaemon = start(command=command)
        self.random = random.Random(14)
        self.over = threading.Event()
        self.round = 0
        self.sockets: dict[int, socket.socket] = {}
        self.histories: dict[str, list[Operation]] = defaultdict(list)
        self.lock = threading.Lock()
        self.faults = {"kill": 0, "stop": 0, "reset": 0}

    def go_on(self, seconds: float) -> None:
        """Let clients work and disturb the daemon for a time; then stop them all."""
        self.over.clear()
        clients = [threading.Thread(target=self._client, args=(n,)) for n in range(_CLIENTS)]
        for client in clients:
            client.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pace(self.random.uniform(0.05, 0.6))
            self._disturb()
        self.over.set()
        for client in clients:
            client.join()
        self.round += 1

    def _disturb(self) -> None:
        what = self.random.choice(self._disturbed_by)
        self.faults[what] += 1
        if what == "kill":
            self.daemon.kill()
            self.daemon = self._start(command=self._command)
        elif what == "stop":
            self.daemon.signal(signal.SIGSTOP)
            pace(self.random.uniform(0.05, 0.8))
            self.daemon.signal(signal.SIGCONT)
        elif sockets := list(self.sockets.values()):
            sock = self.random.choice(sockets)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed meanwhile

    def _client(self, number: int) -> None:
        mine = random.Random(number * 1000 + self.round)
        while not self.over.is_set():
            try:
                with Client(self.daemon.port) as client:
                    self.sockets[number] = client.sock
                    while not self.over.is_set():
                        self._operate(client, mine, number)
                        # Work slowly: long histories take long to check, and show no more.
                        pace(mine.uniform(0, 0.004))
            except (OSError, Gone):
                pace(0.01)
            finally:
                self.sockets.pop(number, None)

    def _operate(self, client: Client, mine: random.Random, number: int) -> None:
        task_id = f"r{self.round}-{mine.randrange(_TASKS)}"
        kind = mine.choice(("register", "create", "update", "update", "find", "find", "find"))
        value = None if kind == "find" else f"{number}-{mine.getrandbits(60)}"
        body: dict[str, object] = {"id": task_id}
        if value is not None:
            body |= {"description": value, "status": "finish"}
        if kind in ("register", "create"):
            body |= {"name": "n"} | ({"epoch": 0} if kind == "create" else {})
        name = {"find": "Find", "update": "Update"}.get(kind, "Register")
        operation = Operation(kind, value, time.monotonic())
        with self.lock:
            self.histories[task_id].append(operation)
        answer = client.call(name, body, _ANSWER_S)
        operation.end = time.monotonic()
        errid = answer["errid"]
        known = {0: DONE, 1002: ABSENT, 1004: EXISTS, 1001: REFUSED, 1005: REFUSED}
        operation.outcome = answer["description"] if kind == "find" and not errid else known[errid]

    def violations(self) -> list[str]:
        """Check the histories seen so far, and drop them."""
        found = [
            task_id for task_id, history in self.histories.items() if not is_linearizable(history)
        ]
        self.histories.clear()
        return found


@pytest.mark.fault(14)
def test_no_violation_under_kill_stop_and_reset(start: Start, seconds: float | None) -> None:
    """Whatever happens to the daemon and to connections, the operations have an order."""
    run = Run(start)
    operations = tasks = unknown = 0
    end = time.monotonic() + (seconds or 6.0)
    while time.monotonic() < end:
        run.go_on(_ROUND_S)
        tasks += len(run.histories)
        for history in run.histories.values():
            operations += len(history)
            unknown += sum(one.outcome == UNKNOWN for one in history)
        assert run.violations() == []
    print(f"\n{operations} operations ({unknown} unanswered) on {tasks} tasks, {run.faults}")
    assert operations > 100
    run.daemon.no_traceback()


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("bug", "shown_by"),
    [
        pytest.param(STALE, "reset", id="stale", marks=pytest.mark.soak),
        pytest.param(FORGETFUL, "kill", id="forgetful"),
    ],
)
def test_a_planted_bug_is_found(bug: str, shown_by: str, start: Start) -> None:
    """The checker finds a daemon that answers stale states, or forgets acknowledged writes."""
    run = Run(start, (sys.executable, "-c", bug), (shown_by,))
    # On a busy machine little happens in a round: give it more of them.
    for _ in range(40):
        run.go_on(_ROUND_S)
        if run.violations():
            return
    pytest.fail("the checker did not see it")


@pytest.mark.fault(14)
@given(st.data())
def test_the_checker_takes_every_history_that_has_an_order(data: st.DataObject) -> None:
    """Operations are done in turn, each at some moment within its time; some answers get lost."""
    state: str | None = None
    history: list[Operation] = []
    for number in range(data.draw(st.integers(0, 12))):
        kind = data.draw(st.sampled_from(["register", "create", "update", "find"]))
        before, after = (data.draw(st.floats(0, 3)) for _ in range(2))
        one = Operation(kind, str(number), number - before, number + after)
        if kind == "find":
            one.outcome = ABSENT if state is None else state
        elif kind == "register" or (kind == "update") == (state is not None):
            one.outcome, state = DONE, one.value
        else:
            one.outcome = ABSENT if kind == "update" else EXISTS
        if data.draw(st.booleans()) and kind != "find":
            one.outcome, one.end = UNKNOWN, math.inf
        history.append(one)
    assert is_linearizable(data.draw(st.permutations(history)))


@pytest.mark.fault(14)
def test_the_checker_finds_what_has_no_order() -> None:
    """A lost write, a value that comes back, and two that both made the task are found."""

    def done(kind: str, value: str | None, start: float, outcome: str = DONE) -> Operation:
        return Operation(kind, value, start, start + 0.5, outcome)  # type: ignore[arg-type]

    lost = [done("register", "a", 0), done("update", "b", 1), done("find", None, 2, "a")]
    back = [
        done("register", "a", 0),
        Operation("update", "b", 1),
        done("find", None, 2, "b"),
        done("find", None, 3, "a"),
    ]
    twice = [done("create", "a", 0), done("create", "b", 1)]
    gone = [done("register", "a", 0), done("find", None, 1, ABSENT)]
    for history in (lost, back, twice, gone):
        assert not is_linearizable(history)
    assert is_linearizable([*back[:3], done("find", None, 3, "b")])
