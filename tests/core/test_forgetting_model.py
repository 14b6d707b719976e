"""Forgetting against a small model: random writes, trees, time, full disks, restarts, and deaths.

A tree that may go is gone whole or there whole; every other task is there as it was written.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_forgetting import HOUR_S, KEEP_S, jump, pass_time, settled

from taskdash_protocol.statuses import ENDED, OF_PEOPLE
from taskdashd.store import backup
from taskdashd.testing import World

IDS = tuple("abcdef")
STATUSES = ("finish", "finish", "finish", "failed", "待执行", "待领取", "running")
OK, STORAGE, NOT_FOUND = 0, 1001, 1002


@dataclass
class Model:
    """A task as it must be found."""

    name: str
    status: str
    parent: str
    at: float
    epoch: int = 1
    of_people: bool = False

    def __post_init__(self) -> None:
        self.of_people = self.of_people or self.status in OF_PEOPLE

    def may_go(self, now: float) -> bool:
        is_old = self.at < now - KEEP_S
        return self.status in ENDED and not self.of_people and is_old


class ForgettingMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.world = World(
            Path(self.directory.name),
            heartbeat_timeout=86400,
            keep_runs=KEEP_S,
            audit_keep=None,
            task_cache=1,
            fold_lag=3,
            event_cache=1500,
        )
        self.tasks: dict[str, Model] = {}
        self.writes = 0

    def teardown(self) -> None:
        assert not backup.check(self.world.directory)
        self.world.close()
        self.directory.cleanup()

    writing = st.fixed_dictionaries(
        {
            "id": st.sampled_from(IDS),
            "parent_id": st.sampled_from(("", "", "nobody", *IDS)),
            "status": st.sampled_from(STATUSES),
            "is_update": st.booleans(),
        }
    )

    @rule(burst=st.lists(writing, min_size=1, max_size=4), hours=st.sampled_from((0, 1, 3)))
    def write(self, burst: list[dict[str, Any]], hours: float) -> None:
        """Write when no forgetting is under way."""
        jump(self.world, hours * HOUR_S)
        self._write(burst, self.world.drain)

    @rule(
        burst=st.lists(writing, min_size=1, max_size=3),
        steps=st.integers(0, 12),
        full=st.booleans(),
        data=st.data(),
    )
    def write_while_it_forgets(
        self, burst: list[dict[str, Any]], steps: int, full: bool, data: Any
    ) -> None:
        """Write in the midst of it, sometimes onto a disk that is full by then."""
        jump(self.world, KEEP_S)
        self.world.supervisor.tick()
        self._do(steps, lambda: data.draw(st.booleans()))
        before = self._found()
        self.world.database.full = full
        self._write(burst, lambda: self.world.drain(lambda: data.draw(st.booleans())), before, full)
        self.world.database.full = False

    @rule(steps=st.integers(0, 12), data=st.data())
    def die_while_it_forgets(self, steps: int, data: Any) -> None:
        jump(self.world, KEEP_S)
        self.world.supervisor.tick()
        self._do(steps, lambda: data.draw(st.booleans()))
        self.world.writing.jobs.clear()
        self.world.reading.jobs.clear()
        self.world.restart()

    @rule(hours=st.sampled_from((0.5, 1, 3)))
    def time_passes(self, hours: float) -> None:
        pass_time(self.world, hours * HOUR_S)

    @rule()
    def all_that_may_go_has_gone(self) -> None:
        """After an hour of a steady clock, and some ticks, what could go before that hour."""
        pass_time(self.world, HOUR_S)
        settled(self.world)
        self._look()
        for tree in self._trees():
            assert not self._may_go(tree, self.world.time - HOUR_S), tree

    @invariant()
    def what_is_there_is_right(self) -> None:
        self._look()

    def _do(self, steps: int, choose: Callable[[], bool]) -> None:
        world = self.world
        for _ in range(steps):
            world.core.writer.flush()
            jobs = [one for one in (world.writing, world.reading) if one.jobs]
            if jobs:
                jobs[-1 if len(jobs) > 1 and choose() else 0].step()

    def _found(self) -> set[str]:
        """Give the ids of the tasks that a write finds now: those decided to go are gone."""
        view = self.world.core.view
        rows = self.world.database._writer.execute_sql("SELECT DISTINCT task_id FROM change")
        return {task_id for (task_id,) in rows} - view.leaving

    def _write(
        self,
        burst: list[dict[str, Any]],
        drain: Callable[[], None],
        found: set[str] | None = None,
        full: bool = False,
    ) -> None:
        self._forget_all_but(self._found() if found is None else found, full)
        world, peer = self.world, self.world.connect()
        expected = {task_id: Model(**vars(task)) for task_id, task in self.tasks.items()}
        outcomes: list[tuple[int, int | None]] = []
        for one in burst:
            self.writes += 1
            fields = {"name": f"n{self.writes}", "status": one["status"]}
            old = expected.get(one["id"])
            if one["is_update"]:
                peer.send("Update", {"id": one["id"], "own": False, **fields})
            else:
                fields["parent_id"] = one["parent_id"]
                peer.send("Register", {"id": one["id"], **fields})
            if one["is_update"] and old is None:
                outcomes.append((NOT_FOUND, None))
                continue
            is_new = old is None or not (self._is_mine(one["id"]) or one["is_update"])
            epoch = 1 if old is None else old.epoch + is_new
            now = world.time
            parent = fields.get("parent_id", old.parent if old else "")
            was = old is not None and old.of_people
            expected[one["id"]] = Model(fields["name"], one["status"], parent, now, epoch, was)
            if is_new:
                self.mine.add(one["id"])
            outcomes.append((OK, epoch))
        drain()
        replies = [(one["errid"], one.get("epoch")) for one in peer.replies]
        if full:
            assert all(errid in (STORAGE, NOT_FOUND) for errid, _ in replies), replies
        else:
            assert replies == outcomes, (burst, self.tasks)
            self.tasks = expected
        peer.close()
        self.mine.clear()

    mine: set[str] = set()
    """Tasks that the connection which writes now owns."""

    def _is_mine(self, task_id: str) -> bool:
        return task_id in self.mine

    def _forget_all_but(self, found: set[str], full: bool) -> None:
        if full:
            return
        for task_id in [one for one in self.tasks if one not in found]:
            del self.tasks[task_id]

    def _trees(self) -> list[set[str]]:
        """Give the tasks by what they are part of; parents in a circle are one tree."""
        trees: list[set[str]] = []
        for task_id, task in self.tasks.items():
            linked = [one for one in trees if task_id in one or task.parent in one]
            linked += [
                one for one in trees if any(self.tasks[part].parent == task_id for part in one)
            ]
            joined = {task_id}.union(*linked)
            trees = [one for one in trees if one not in linked] + [joined]
        return trees

    def _may_go(self, tree: set[str], at: float) -> bool:
        return all(self.tasks[one].may_go(at) for one in tree)

    def _look(self) -> None:
        """Compare what is there with the model, and take trees that have gone out of it."""
        peer = self.world.connect()
        page = peer.ask("Query", limit=100)["tasks"]
        found = {task["id"]: task for task in page}
        for tree in self._trees():
            gone = tree - found.keys()
            assert gone in (set(), tree), "a tree goes whole"
            assert not gone or self._may_go(tree, self.world.time), (tree, self.tasks)
            for one in gone:
                del self.tasks[one]
        assert found.keys() == self.tasks.keys()
        rows = self.world.database._writer.execute_sql("SELECT DISTINCT task_id FROM change")
        assert {task_id for (task_id,) in rows} == self.tasks.keys(), "row and log together"
        for task_id in IDS:
            told = peer.ask("Find", id=task_id)
            task = self.tasks.get(task_id)
            if task is None:
                assert told["errid"] == NOT_FOUND
            else:
                seen = (told["name"], told["status"], told["parent_id"], told["epoch"])
                assert seen == (task.name, task.status, task.parent, task.epoch)
        peer.close()


TestForgetting = ForgettingMachine.TestCase
TestForgetting.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
