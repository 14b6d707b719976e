"""Forgetting against a small model: random writes, trees, time, full disks, restarts, and deaths.

A tree that may go is gone whole or there whole; every other task is there as it was written. Only
a fault, a death or a write between two commits that forget a tree leaves a part of it: one with the
root, and with the parent of each of its tasks.
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from postgres import standing
from test_forgetting import HOUR_S, KEEP_S, jump, pass_time, settled

from taskdash_protocol.statuses import ENDED, OF_PEOPLE
from taskdashd.store import backup, forgetting
from taskdashd.testing import World

IDS = tuple("abcdef")
STATUSES = ("finish", "finish", "finish", "failed", "待执行", "待领取", "待触发")
OK, STORAGE, NOT_FOUND = 0, 1001, 1002
LONG = 50
"""Rows; a longer history goes in parts, and its task may then stay."""


@dataclass
class Model:
    """A task as it must be found."""

    name: str
    status: str
    parent: str
    at: float
    epoch: int = 1
    of_people: bool = False
    writes: int = 1

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
        self.patches = ExitStack()
        self.tasks: dict[str, Model] = {}
        self.writes = 0
        self.may_be_cut = False
        """Whether the disk was full, or the daemon died, while a tree was perhaps on its way."""

    @initialize(at_once=st.sampled_from((2, forgetting.TASKS_MAX)))
    def a_tree_takes_several_commits(self, at_once: int) -> None:
        self.patches.enter_context(mock.patch.object(forgetting, "TASKS_MAX", at_once))

    def teardown(self) -> None:
        self.patches.close()
        assert not backup.check(self.world.directory, *standing(self.world.directory))
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
        self._begin_to_forget(steps, lambda: data.draw(st.booleans()))
        self.world.database.full = self.may_be_cut = full
        self._write(burst, lambda: self.world.drain(lambda: data.draw(st.booleans())), full)
        self.world.database.full = False

    @rule(steps=st.integers(0, 12), data=st.data())
    def die_while_it_forgets(self, steps: int, data: Any) -> None:
        self._begin_to_forget(steps, lambda: data.draw(st.booleans()))
        self.world.writing.jobs.clear()
        self.world.reading.jobs.clear()
        self.world.restart()
        self.may_be_cut = True

    @rule(hours=st.sampled_from((0.5, 1, 3)))
    def time_passes(self, hours: float) -> None:
        pass_time(self.world, hours * HOUR_S)

    @rule()
    def all_that_may_go_has_gone(self) -> None:
        """After an hour of a steady clock, and some ticks, what could go before that hour."""
        # A pass that is under way only looks for what was old when it began: let it end before.
        settled(self.world)
        pass_time(self.world, HOUR_S)
        settled(self.world)
        self._look()
        for tree in self._trees():
            assert not self._may_go(tree, self.world.time - HOUR_S), tree

    @invariant()
    def what_is_there_is_right(self) -> None:
        self._look()

    def _begin_to_forget(self, steps: int, choose: Callable[[], bool]) -> None:
        world = self.world
        jump(world, KEEP_S)
        world.supervisor.tick()
        # What goes may be in the index of texts, or in it as it once was, or not yet.
        world.core.writer.chores.index_texts(1)
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
        self, burst: list[dict[str, Any]], drain: Callable[[], None], full: bool = False
    ) -> None:
        world, peer = self.world, self.world.connect()
        found: list[set[str]] = []
        really_write = world.runner._write

        def write(*arguments: Any) -> None:
            # A write may wait until its task is loaded, and what is decided meanwhile is gone.
            found.append(self._found())
            really_write(*arguments)

        really_run = world.runner.plain.write

        def run(*arguments: Any) -> int:
            before = self._found()
            done = really_run(*arguments)
            found.extend([before] * done)
            return done

        names = [f"n{self.writes + number}" for number, _ in enumerate(burst)]
        self.writes += len(burst)
        with (
            mock.patch.object(world.runner, "_write", write),
            mock.patch.object(world.runner.plain, "write", run),
        ):
            for name, one in zip(names, burst, strict=True):
                fields = {"id": one["id"], "name": name, "status": one["status"]}
                if one["is_update"]:
                    peer.send("Update", {"own": False, **fields})
                else:
                    peer.send("Register", {"parent_id": one["parent_id"], **fields})
            drain()
        replies = [(one["errid"], one.get("epoch")) for one in peer.replies]
        if full:
            assert all(errid in (STORAGE, NOT_FOUND) for errid, _ in replies), replies
        else:
            written: set[str] = set()
            mine: set[str] = set()
            outcomes = []
            for name, one, at_that_time in zip(names, burst, found, strict=True):
                self._go(self.tasks.keys() - at_that_time - written)
                outcomes.append(self._written(one, name, mine))
                if outcomes[-1][0] == OK:
                    written.add(one["id"])
            assert replies == outcomes, (burst, self.tasks)
        peer.close()

    def _written(self, one: dict[str, Any], name: str, mine: set[str]) -> tuple[int, int | None]:
        """Take a write into the model; give the outcome that it must have.

        `mine` are the tasks that the connection owns.
        """
        task_id, status, old = one["id"], one["status"], self.tasks.get(one["id"])
        parent = one["parent_id"]
        if one["is_update"]:
            if old is None:
                return NOT_FOUND, None
            parent = old.parent
        is_new = old is None or not (one["is_update"] or task_id in mine)
        epoch = 1 if old is None else old.epoch + is_new
        was = old is not None and old.of_people
        if is_new:
            mine.add(task_id)
        writes = 1 if old is None else old.writes + 1
        self.tasks[task_id] = Model(name, status, parent, self.world.time, epoch, was, writes)
        return OK, epoch

    def _go(self, gone: set[str]) -> None:
        """Take tasks that have gone out of the model."""
        for tree in self._trees():
            going = tree & gone
            assert not going or self._may_go(tree, self.world.time), (tree, self.tasks)
            if going and going != tree:
                orphans = [one for one in tree - going if self.tasks[one].parent in going]
                is_circle = all(self.tasks[one].parent in tree for one in tree)
                assert len(orphans) <= is_circle, "the root is the last of a tree to go"
            for one in going:
                del self.tasks[one]

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
        gone = self.tasks.keys() - found.keys()
        for tree in self._trees():
            assert self.may_be_cut or tree & gone in (set(), tree), "a tree goes whole"
        self._go(gone)
        self.may_be_cut = False
        assert found.keys() == self.tasks.keys()
        rows = self.world.database._writer.execute_sql(
            "SELECT task_id, count(*) FROM change GROUP BY task_id"
        )
        log = dict(rows)
        assert log.keys() == self.tasks.keys(), "row and log together"
        for task_id, task in self.tasks.items():
            assert log[task_id] == task.writes or task.writes > LONG, "a life has its own rows"
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
