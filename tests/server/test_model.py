"""The whole daemon against a small model of the contract, under random interleavings."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taskdash_protocol.statuses import HAD, is_live
from taskdashd.server.supervisor import TICK_S
from taskdashd.testing import Peer, World

DEFAULT_TIMEOUT_S = 3.0
IDS = ("a", "b", "c", "d")
STATUSES = ("", "running", "pending", "已领取", "finish", "shutdown")
TIMEOUTS = (None, 1, 2.5, 8)
PLAIN = {"timeout": None, "fenced": None, "epoch": None, "own": True, "user": ""}
OK, STORAGE, NOT_FOUND, CONFLICT = 0, 1001, 1002, 1004


@dataclass(eq=False)
class Voice:
    """A source of signs of life: an open connection, or one that was last seen at a moment."""

    seen: float
    open: bool = False
    hello: bool = False
    peer: Peer | None = None


@dataclass
class Model:
    """A task as the contract has it."""

    fields: dict[str, str]
    epoch: int
    owner: Voice
    timeout: float | None
    fenced: bool
    lives_by: Voice | None = None
    down: bool = False
    before: str = ""

    @property
    def status(self) -> str:
        return self.fields["status"]


class ContractMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        # The smallest cache and fold lag: tasks are cold, and the fold is behind, most of the time.
        self.world = World(
            Path(self._directory.name),
            heartbeat_timeout=DEFAULT_TIMEOUT_S,
            task_cache=1,
            fold_lag=3,
            event_cache=1500,
        )
        self.tasks: dict[str, Model] = {}
        self.open: list[Voice] = []
        self.history: list[tuple[int, str, str, str]] = []
        self.slot_voices: dict[int, Voice] = {}
        self.expected: list[tuple[str, str, str]] = []
        self._observe(None)

    def teardown(self) -> None:
        self.world.close()
        self._directory.cleanup()

    # Acts of clients

    slots = st.integers(0, 2)

    @rule(slot=slots)
    def disconnect(self, slot: int) -> None:
        voice = self._voice(slot)
        assert voice.peer is not None
        voice.peer.close()
        self._closed(voice)

    @rule(slot=slots)
    def beat(self, slot: int) -> None:
        voice = self._voice(slot)
        assert voice.peer is not None
        voice.peer.beat()
        voice.seen = self.world.time

    writes = st.fixed_dictionaries(
        {
            "request": st.sampled_from(("Register", "Update", "Update")),
            "id": st.sampled_from(IDS),
            "status": st.sampled_from((None, *STATUSES)),
            "timeout": st.sampled_from(TIMEOUTS),
            "fenced": st.sampled_from((None, None, True, False)),
            "epoch": st.sampled_from((None, None, None, "current", "stale")),
            "own": st.sampled_from((True, True, False)),
            "user": st.sampled_from(("", "wsg")),
        }
    )

    @rule(
        slot=slots,
        burst=st.lists(writes, min_size=1, max_size=3),
        full=st.booleans(),
        data=st.data(),
    )
    def write(self, slot: int, burst: list[dict[str, Any]], full: bool, data: Any) -> None:
        """Several writes in one go; sometimes onto a full disk."""
        full = full and data.draw(st.booleans())
        self._send(self._voice(slot), burst, full, lambda: data.draw(st.booleans()))

    def _send(
        self,
        voice: Voice,
        burst: list[dict[str, Any]],
        full: bool = False,
        choose: Callable[[], bool] = lambda: True,
    ) -> None:
        assert voice.peer is not None
        self.world.database.full = full
        bodies = []
        outcomes: list[tuple[int, int | None]] = []
        voice.seen = self.world.time
        for write in burst:
            # Draw epochs from the task as the earlier writes of the burst will have left it.
            body = self._body(write)
            bodies.append((write["request"], body))
            if not full:
                outcomes.append(self._write(voice, write["request"], body))
            voice.peer.send(write["request"], body)
        self.world.drain(choose)
        self.world.database.full = False
        replies, voice.peer.replies = voice.peer.replies, []
        assert len(replies) == len(burst)
        if full:
            # Refusals that need no commit keep their own errid.
            assert all(reply["errid"] in (STORAGE, NOT_FOUND, CONFLICT) for reply in replies)
            return
        assert [(r["errid"], r.get("epoch")) for r in replies] == outcomes, (bodies, replies)

    @rule(
        slot=slots,
        id=st.sampled_from(IDS),
        status=st.sampled_from(("finish", "pending", "running", None, "shutdown")),
        own=st.booleans(),
    )
    def a_task_dies_and_is_written_again(
        self, slot: int, id: str, status: str | None, own: bool
    ) -> None:
        """A death, and each way on from it: random steps seldom hit them."""
        dying = {**PLAIN, "request": "Register", "id": id, "status": "running", "timeout": 1}
        self._send(self._voice(slot), [dying])
        self.time_passes(5)
        after = {**PLAIN, "request": "Update", "id": id, "status": status, "own": own}
        self._send(self._voice(slot + 1 if own else 2), [after])

    @rule(steps=st.sampled_from((1, 4, 5, 12)))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.world.advance(TICK_S)
            self._observer_beats()
            self._pass_judgement()

    @rule(seconds=st.sampled_from((2.0, 60.0, 86400.0)), slot=slots, beats=st.booleans())
    def the_daemon_stands_still(self, seconds: float, slot: int, beats: bool) -> None:
        """No time passes in a stall; and a beat may be read before the stall is noticed."""
        voice = self._voice(slot)
        self.world.time += seconds
        # The model's moments are in the daemon's running time: shift them all.
        shift = seconds
        for one in {id(one): one for one in self._all_voices()}.values():
            one.seen += shift
        if beats:
            assert voice.peer is not None
            voice.peer.beat()
            voice.seen = self.world.time
        self.world.supervisor.tick()
        self.world.drain()
        self._observer_beats()
        self._pass_judgement()

    @rule(really=st.integers(0, 2))
    def the_daemon_restarts(self, really: int) -> None:
        if really:
            return
        self._check_events()
        self.world.restart()
        for voice in list(self.open):
            self._closed(voice)
        nobody = Voice(self.world.time)
        for task in self.tasks.values():
            if task.lives_by is not None:
                task.lives_by = nobody
        self._observe(self.rev_seen)

    @rule(back=st.integers(0, 12))
    def the_observer_resumes(self, back: int) -> None:
        """From any older rev on, a watch tells again what it told before, and goes on."""
        self._check_events()
        since = max(0, self.rev_seen - back)
        self.observer.close()
        self._observe(since)
        self.world.drain()
        events, self.observer.events = self.observer.events, []
        told = [(e["rev"], e["kind"], e["task"]["id"], e["task"]["status"]) for e in events]
        assert told == [one for one in self.history if one[0] > since]
        self.rev_seen = max((one[0] for one in self.history), default=since)

    # Invariants

    @invariant()
    def every_task_is_as_the_model_says(self) -> None:
        page = self.observer.ask("Query")
        assert [task["id"] for task in page["tasks"]] == sorted(self.tasks)
        for found in page["tasks"]:
            task = self.tasks[found["id"]]
            wanted = {
                **task.fields,
                "epoch": task.epoch,
                "status_before_shutdown": task.before,
            }
            assert {name: found[name] for name in wanted} == wanted
            assert bool(found["shutdown_at"]) == task.down
            assert found.get("heartbeat_timeout") == task.timeout
            assert found.get("fenced", False) == task.fenced
            single = self.observer.ask("Find", id=found["id"])
            assert {name: single[name] for name in found} == found
        assert self.observer.ask("Find", id="nobody")["errid"] == NOT_FOUND
        where = self.observer.ask("Query", where={"status": ["running", ""]}, order="-user")
        assert {task["id"] for task in where["tasks"]} == {
            key for key, task in self.tasks.items() if task.status in ("running", "")
        }

    @invariant()
    def the_watch_told_everything_once_and_in_order(self) -> None:
        self._check_events()

    @invariant()
    def connections_are_closed_only_when_silent(self) -> None:
        for voice in self.open:
            assert voice.peer is not None
            assert voice.peer.open == voice.open

    # The model

    def _body(self, write: dict[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {"id": write["id"]}
        if write["request"] == "Register":
            body["name"] = "n"
        if write["status"] is not None:
            body["status"] = write["status"]
        if write["user"]:
            body["user"] = write["user"]
        if write["timeout"] is not None:
            body["heartbeat_timeout"] = write["timeout"]
        if write["fenced"] is not None:
            body["fenced"] = write["fenced"]
        if write["epoch"] is not None:
            task = self.tasks.get(write["id"])
            current = task.epoch if task else 0
            body["epoch"] = current if write["epoch"] == "current" else current + 1
        if write["request"] == "Update" and not write["own"]:
            body["own"] = False
        return body

    def _write(self, voice: Voice, request: str, body: dict[str, Any]) -> tuple[int, int | None]:
        task, own = self.tasks.get(body["id"]), body.get("own", True)
        if task is None:
            if request == "Update":
                return NOT_FOUND, None
            if body.get("epoch", 0) != 0:
                return CONFLICT, None
        elif "epoch" in body:
            if body["epoch"] != task.epoch:
                return CONFLICT, None
        elif (
            task.fenced
            and task.owner is not voice
            and not (request == "Register" and self._gone(task))
        ):
            return CONFLICT, None
        kind = "updated"
        if task is None:
            kind = "registered"
            task = self.tasks[body["id"]] = Model({}, 1, voice, None, False)
        elif own and task.owner is not voice:
            task.epoch += 1
        if request == "Register":
            had = task.fields if task.fields and task.status in HAD else None
            task.fields = {"name": "n", "status": "", "user": ""}
            task.timeout, task.fenced = body.get("heartbeat_timeout"), body.get("fenced", False)
        else:
            task.timeout = body.get("heartbeat_timeout", task.timeout)
            task.fenced = body.get("fenced", task.fenced)
        names_status = request == "Register" or "status" in body
        task.fields |= {name: body[name] for name in ("status", "user") if name in body}
        if request == "Register" and had is not None:
            # A Register keeps what people have; only failed and cancelled are taken.
            taken = task.status in ("failed", "cancelled")
            task.fields |= {"user": had["user"]} if taken else had
        if task.down and names_status and task.status != "shutdown":
            task.down, task.before = False, ""
            kind = "recovered" if is_live(task.status) else "updated"
        if own:
            task.owner = voice
        if not is_live(task.status):
            task.lives_by = None
        elif task.owner.open:
            task.lives_by = task.owner
        elif task.lives_by is None:
            task.lives_by = Voice(self.world.time)
        self.expected.append((kind, body["id"], task.status))
        return OK, task.epoch

    def _gone(self, task: Model) -> bool:
        owner = task.owner
        return (
            not owner.open
            or task.down
            or self.world.time - owner.seen >= (task.timeout or DEFAULT_TIMEOUT_S)
        )

    def _pass_judgement(self) -> None:
        now = self.world.time
        silent = [voice for voice in self.open if now - voice.seen >= self._longest_timeout(voice)]
        for task_id, task in self.tasks.items():
            voice = task.lives_by
            if voice is not None and now - voice.seen >= (task.timeout or DEFAULT_TIMEOUT_S):
                task.before, task.down, task.lives_by = task.status, True, None
                task.fields["status"] = "shutdown"
                self.expected.append(("shutdown", task_id, "shutdown"))
        for voice in silent:
            assert voice.peer is not None
            assert not voice.peer.open
            assert [bye["errid"] for bye in voice.peer.byes] == ([1005] if voice.hello else [])
            self._closed(voice)

    def _longest_timeout(self, voice: Voice) -> float:
        own = [t.timeout or DEFAULT_TIMEOUT_S for t in self.tasks.values() if t.owner is voice]
        return max(own, default=DEFAULT_TIMEOUT_S)

    def _closed(self, voice: Voice) -> None:
        voice.open = False
        self.open.remove(voice)

    def _voice(self, slot: int) -> Voice:
        """Give the client of this slot, connected."""
        voice = self.slot_voices.get(slot)
        if voice is None or not voice.open:
            hello = slot % 2 == 0
            voice = Voice(self.world.time, open=True, hello=hello, peer=self.world.connect())
            self.slot_voices[slot] = voice
            self.open.append(voice)
            if hello:
                assert voice.peer is not None
                assert voice.peer.ask("Hello", protocol=1)["errid"] == OK
        return voice

    def _all_voices(self) -> list[Voice]:
        lives = [task.lives_by for task in self.tasks.values() if task.lives_by is not None]
        return [*self.open, *(task.owner for task in self.tasks.values()), *lives]

    # The observer

    def _observe(self, since: int | None) -> None:
        self.observer = self.world.connect("observer")
        body = {} if since is None else {"since": since}
        reply = self.observer.ask("Watch", **body)
        assert reply["errid"] == OK
        self.rev_seen = reply["rev"]

    def _observer_beats(self) -> None:
        self.observer.beat()

    def _check_events(self) -> None:
        self.world.drain()
        events, self.observer.events = self.observer.events, []
        revs = [event["rev"] for event in events]
        assert revs == sorted(set(revs))
        assert all(rev > self.rev_seen for rev in revs)
        self.rev_seen = max(revs, default=self.rev_seen)
        told = [(e["kind"], e["task"]["id"], e["task"]["status"]) for e in events]
        self.history += [(rev, *one) for rev, one in zip(revs, told, strict=True)]
        expected, self.expected = self.expected, []
        # Tasks that die in the same tick do so in any order.
        assert sorted(told) == sorted(expected)
        alive = [one for one in told if one[0] != "shutdown"]
        assert alive == [one for one in expected if one[0] != "shutdown"]


TestContract = pytest.mark.long(ContractMachine.TestCase)
TestContract.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
