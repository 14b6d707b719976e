"""The live board, driven by textual's own pilot against a real daemon."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

import taskdash
from taskdash.testing import RunningDaemon
from taskdash_ctl.rows import Rows
from taskdash_ctl.screen import Details, LiveScreen


def on_the_board(
    daemon: RunningDaemon,
    steps: Callable[[LiveScreen, Pilot[None], taskdash.Client], Awaitable[None]],
) -> None:
    async def main() -> None:
        with taskdash.connect(daemon.url) as other, taskdash.connect(daemon.url) as dash:
            board = LiveScreen(dash, {"group_id": ["top"]})
            async with board.run_test(size=(110, 20)) as pilot:
                await steps(board, pilot, other)

    asyncio.run(main())


def rows(board: LiveScreen) -> list[tuple[str, str]]:
    return [(row.cells["id"], row.cells["status"]) for row in board.query_one(Rows).rows]


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("it never came so")


def test_the_board_shows_what_is_there_and_what_changes(daemon: RunningDaemon) -> None:
    """Urgent first; a change is there without a key pressed; keys filter and sort."""

    async def steps(board: LiveScreen, pilot: Pilot[None], other: taskdash.Client) -> None:
        assert rows(board) == []
        other.register("b-done", "Done", group_id="top", status="finish")
        other.register("c-waits", "Waits", group_id="top", status="review")
        other.register("a-runs", "Runs \x1b[31m", group_id="top", status="running", user="wsg")
        other.register("elsewhere", "n", group_id="other", status="running")
        await until(pilot, lambda: len(rows(board)) == 3)
        assert [task_id for task_id, _ in rows(board)] == ["a-runs", "c-waits", "b-done"]
        summary = str(board.query_one("#summary", Static).render())
        assert "1 live" in summary
        assert "1 waiting" in summary
        assert board.query_one(Rows).rows[0].cells["name"] == "Runs \\x1b[31m"
        await pilot.press("w")
        assert [task_id for task_id, _ in rows(board)] == ["c-waits"]
        await pilot.press("a", "2")
        assert [task_id for task_id, _ in rows(board)] == ["a-runs", "b-done", "c-waits"]
        await pilot.press("2")
        assert [task_id for task_id, _ in rows(board)] == ["c-waits", "b-done", "a-runs"]
        await pilot.press("slash", *"wsg")
        assert [task_id for task_id, _ in rows(board)] == ["a-runs"]
        await pilot.press("escape")
        assert len(rows(board)) == 3
        other.update("a-runs", status="failed", reason="no paper")
        await until(pilot, lambda: ("a-runs", "failed") in rows(board))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(board.screen, Details))
        await pilot.press("escape")
        await pilot.press("end")
        assert board.query_one(Rows).at == 2
        # A click goes to a row, another one opens it.
        await pilot.click(Rows, offset=(3, 2))
        assert board.query_one(Rows).at == 1
        await pilot.click(Rows, offset=(3, 2))
        await until(pilot, lambda: isinstance(board.screen, Details))
        await pilot.press("escape", "q")

    on_the_board(daemon, steps)


def test_ids_have_the_room_of_the_terminal_as_it_is(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made wider between two drawings, the board shows whole ids; too long ones keep a part."""

    async def steps(board: LiveScreen, pilot: Pilot[None], other: taskdash.Client) -> None:
        for number in range(3):
            name = f"of-a-long-name-{number:09}"
            other.register(name, "Long", group_id="top", status="review")
        await until(pilot, lambda: len(rows(board)) >= 3)
        await pilot.press("slash", *"of-a-long", "enter")
        await pilot.resize_terminal(40, 20)
        await until(pilot, lambda: " of-a-lon… " in shown(board))
        monkeypatch.setattr(board, "_draw", lambda: None)
        await pilot.resize_terminal(110, 20)
        await until(pilot, lambda: "of-a-long-name-000000002" in shown(board))

    on_the_board(daemon, steps)


def shown(board: LiveScreen) -> str:
    return board.query_one(Rows).render_line(1).text


def test_ctrl_c_leaves_also_while_a_filter_is_typed(daemon: RunningDaemon) -> None:
    async def steps(board: LiveScreen, pilot: Pilot[None], _other: taskdash.Client) -> None:
        await pilot.press("slash", *"reel", "ctrl+c")
        await until(pilot, lambda: not board.is_running)

    on_the_board(daemon, steps)
