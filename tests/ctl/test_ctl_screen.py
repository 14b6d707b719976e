"""What a person sees of `taskdash-ctl` on a real terminal, with an office of 5,000 tasks."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import taskdashd
from terminal import ctl, in_terminal, screen

import taskdash
from taskdash.testing import RunningDaemon, running_daemon
from taskdash_ctl import table
from taskdash_protocol.requests import Register

DIED, ENDED, WAITING = 380, 4900, 100
SIZES = [(80, 24), (200, 50)]
UUID = "550e8400-e29b-41d4-a716-446655440000"
LETTERS, CHINESE = "L" * 200, "名字很长的任务" * 28
ODD = "a\x1b[2Jb\nc\td\u202ee\u2066f"
MORE = (
    ("long-name", {"name": LETTERS, "status": "review", "user": "1001", "description": "d" * 99}),
    ("long-cn", {"name": CHINESE, "status": "待审核", "user": "1002", "description": "说明" * 50}),
    ("odd", {"name": ODD, "status": "pending", "user": "1002"}),
    ("x" * 128, {"name": "Longest id", "status": "pending"}),
    (UUID, {"name": "Import orders", "status": "pending", "user": "1003"}),
)
TOTAL = DIED + ENDED + WAITING + len(MORE)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """380 that died first, then 4,900 that ended, then what waits, with names of all kinds."""
    data = tmp_path_factory.mktemp("office")
    with running_daemon(data) as daemon, taskdash.connect(daemon.url) as dash:
        people = (
            ("1001", "Ann Lee"),
            ("1002", "王小明"),
            ("1003", "Eve Adams of the Cutting Room"),
        )
        for number, name in people:
            dash.ask("SetPerson", user=number, name=name, groups=["cut"])

        def fill(prefix: str, count: int, **fields: object) -> None:
            one = {"group_id": "cut", **fields}
            rows = (
                {"id": f"{prefix}-{n:04}", "name": f"{prefix} {n}", **one} for n in range(count)
            )
            done = list(dash.pipeline(map(Register.parse, rows)))
            assert not [outcome for outcome in done if isinstance(outcome, Exception)]

        died = dash.watch({"status": ["shutdown"]})
        fill("gone", DIED, status="running", heartbeat_timeout=1.0, user="1002")
        for _ in range(DIED):
            assert died.next(30) is not None
        fill("done", ENDED, status="finish", description="reel 3 of 9")
        fill("wait", WAITING, status="待领取")
        for task_id, fields in MORE:
            dash.register(task_id, group_id="cut", **fields)
        yield daemon


def column_of(line: str, text: str) -> int:
    """Say in which column of the screen a text begins."""
    return table.width(line[: line.index(text)])


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_top_counts_all_and_no_long_name_pushes_a_column_out(
    office: RunningDaemon, columns: int, lines: int
) -> None:
    """The counts are of all tasks, and the dead are there however many ended after them."""
    with screen(office, "top", columns=columns, lines=lines) as shown:
        shown.until(lambda rows: any(" gone-" in row for row in rows))
        shown.press("w")
        rows = shown.until(lambda rows: any("Ann Lee (1001)" in row for row in rows))
        for count in ("0 live", "0 late", f"{WAITING + len(MORE)} waiting", f"{DIED} died"):
            assert f" {count} " in rows[0]
        head = next(row for row in rows if "STATUS" in row)
        heads = [one for one in head.split() if one != "GROUP"]
        assert heads[:5] == ["STATUS", "ID", "NAME", "USER", "SEEN"]
        for task_id, name, user in (
            ("long-name", "LLLLLLLL", "Ann Lee (1001)"),
            ("long-cn", "名字很长", "王小明 (1002)"),
            ("odd", "a\\x1b[2Jb\\nc\\t", "王小明 (1002)"),
        ):
            row = next(row for row in rows if f" {task_id} " in row)
            for heading, text in zip(heads[1:], (task_id, name, user), strict=False):
                assert column_of(row, text) == column_of(head, heading)
        shown.press("d")
        rows = shown.until(lambda rows: any(" gone-" in row for row in rows))
        assert all("shutdown" in row for row in rows[2 : lines - 1])
        shown.press("w")
        shown.until(lambda rows: any(" wait-" in row for row in rows))
        shown.press("End")
        shown.until(lambda rows: any(" wait-0000 " in row for row in rows))


def test_top_follows_the_terminal_and_what_happens_on_it(office: RunningDaemon) -> None:
    """Made wider it shows more columns, made smaller fewer; the cursor stays in sight."""
    with screen(office, "top", "--group", "cut", columns=80, lines=24) as shown:
        shown.until(lambda rows: any(" gone-" in row for row in rows))
        shown.press("w", "End")
        shown.until(lambda rows: any(" wait-0000 " in row for row in rows))
        shown.resize(160, 12)
        rows = shown.until(lambda rows: len(rows) == 12 and "q Quit" in rows[-1])
        shown.until(lambda rows: any(" wait-0000 " in row for row in rows))
        shown.resize(50, 12)
        shown.until(lambda rows: any("USER" not in row and "STATUS" in row for row in rows))
        shown.until(lambda rows: any(" wait-0000 " in row for row in rows))
        shown.resize(160, 40)
        shown.press("e")
        shown.until(lambda rows: any(row.endswith("reel 3 of 9") for row in rows))
        with taskdash.connect(office.url) as dash:
            dash.register("news", "Fresh", group_id="cut", status="running", user="1001")
            shown.press("l")
            rows = shown.until(lambda rows: any(" news " in row for row in rows))
            assert "Ann Lee (1001)" in next(row for row in rows if " news " in row)
            dash.update("news", status="cancelled")
            shown.until(lambda rows: not any(" news " in row for row in rows))


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_list_shows_the_newest_and_says_how_many_there_are(
    office: RunningDaemon, columns: int, lines: int
) -> None:
    """The whole answer fits the screen; a name has room beside an id of any length."""
    with screen(office, "list", columns=columns, lines=lines) as shown:
        rows = shown.until(lambda rows: "ended" in rows)
    assert rows[0].startswith("ID")
    foot = next(row for row in rows if row.startswith("the newest "))
    assert int(foot.split()[2]) in range(lines - 7, lines - 4)
    assert rows.index("ended") <= lines - 1
    with taskdash.connect(office.url) as dash:
        there = sum(1 for _ in dash.query({}, page=1000))
    assert f" {there} tasks" in foot
    assert [row for row in rows if row.startswith("wait-0099")]
    named = next(row for row in rows if row.startswith("long-name"))
    name = named.split()[1]
    assert len(name) >= (24 if columns == 80 else 60)
    for text in ("STATUS", "USER"):
        assert text in rows[0]
    statuses = {"long-name": "review", "long-cn": "待审核", "odd": "pending", "wait-0099": "待领取"}
    for task_id, status in statuses.items():
        row = next(row for row in rows if row.startswith(task_id))
        assert column_of(row, status) == column_of(rows[0], "STATUS")
    assert [row for row in rows if "王小明 (1002)" in row]


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_watch_names_people_and_tasks_on_one_line_each(
    office: RunningDaemon, columns: int, lines: int
) -> None:
    """An event is one line, however long its texts are; only a longest id has one of its own."""
    with taskdash.connect(office.url) as dash:
        since = str(dash.find("long-name")["rev"] - 1)
    words = ("watch", "--since", since, "--count", "5")
    with screen(office, *words, columns=columns, lines=lines) as shown:
        rows = shown.until(lambda rows: "ended" in rows)
    told = rows[1 : rows.index("ended")]
    ids = [row for row in told if row.startswith(("xxx", UUID))]
    events = [row for row in told if row not in ids]
    assert len(events) == 5
    assert "LLLLLLLL" in events[0]
    assert "Ann Lee (1001)" in events[0]
    assert "名字很长" in events[1]
    assert "王小明 (1002)" in events[1]
    assert "(1003)" in events[4]
    assert len({column_of(row, "registered") for row in events}) == 1
    assert len({table.width(row[: row.index("(100")]) > 0 for row in events if "(" in row}) == 1


def test_what_scripts_read_is_as_it_was(office: RunningDaemon) -> None:
    """In a pipe, and in any format but the table, all tasks come by id, with people's numbers."""
    with taskdash.connect(office.url) as dash:
        ids = [task["id"] for task in dash.query({}, page=1000)]
    assert ctl(office, "list", "-o", "name").stdout.splitlines() == ids
    shown = in_terminal(office, "list", "-o", "name", columns=300).replace("\r", "")
    assert shown.splitlines() == ids
    piped = [line.split("\t") for line in ctl(office, "list").stdout.splitlines()]
    assert [line[0] for line in piped] == ids
    assert next(line for line in piped if line[0] == "long-name")[4] == "1001"
    rows = json.loads(in_terminal(office, "list", "--where", "id=long-cn", "-o", "json"))
    assert [(row["name"], row["user"]) for row in rows] == [(CHINESE, "1002")]
    done = ctl(office, "list", "--limit", "3")
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == ids[:3]
    assert done.stderr == ""


def test_a_selection_is_counted_too(office: RunningDaemon) -> None:
    """Nobody need scroll to learn how many match; --limit 0 shows them all, the newest first."""
    told = in_terminal(office, "list", "--status", "finish", columns=80)
    assert f"the newest 20 of {ENDED} tasks" in told
    told = in_terminal(office, "list", "--contains", "wait-00", "--limit", "0", columns=80)
    lines = told.replace("\r", "").splitlines()
    assert lines[-1] == f"{WAITING} tasks"
    assert "wait-0099" in lines[1]
    assert "wait-0000" in lines[-2]
    told = in_terminal(office, "list", "--order", "id", "--limit", "2", columns=80)
    assert "the first 2 of " in told


def test_the_siblings_name_people_and_cut_no_time(office: RunningDaemon) -> None:
    """show and next have names, audit has whole times, and each keeps its numbers in a pipe."""
    assert "Ann Lee (1001)" in in_terminal(office, "show", "long-name", columns=80)
    assert "Ann" not in ctl(office, "show", "long-name").stdout
    shown = in_terminal(office, "audit", "--limit", "3", columns=80)
    assert "2026-…" not in shown
    assert "T…" not in shown
    found = in_terminal(office, "list", "--where", "id=long-name", "--columns", "id,checker,user")
    assert "Ann Lee (1001)" in found


def test_top_is_there_for_a_token_that_sees_only_its_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a token may not ask for the Status of all; what it sees is shown and counted."""
    done = taskdashd("token", "create", "t", "--group", "cut", "--data", tmp_path)
    socket = f"unix://{tmp_path}/taskdashd.sock"
    with running_daemon(tmp_path, auth="tokens") as daemon, taskdash.connect(socket) as dash:
        dash.register("ours", "Ours", group_id="cut", status="pending")
        dash.register("theirs", "Theirs", group_id="mx", status="pending")
        monkeypatch.setenv("TASKDASH_TOKEN", done.stdout.strip())
        with screen(daemon, "top", columns=80, lines=24) as shown:
            rows = shown.until(lambda rows: any(" ours " in row for row in rows))
            assert "1 waiting" in rows[0]
            assert "token" not in rows[0]
            assert not any("theirs" in row for row in rows)
        listed = screen(daemon, "list", "--limit", "1", columns=80, lines=24)
        with listed as shown:
            rows = shown.until(lambda rows: "ended" in rows)
        assert "1 task" in rows


def test_a_daemon_that_is_away_is_said_for_as_long_as_it_is(tmp_path: Path) -> None:
    """The board says so and goes on saying so, keeps its rows, and is well once it is back."""
    with running_daemon(tmp_path / "data") as first:
        with taskdash.connect(first.url) as dash:
            dash.register("kept", "Kept", status="pending", user="1001")
        with screen(first, "top", columns=120, lines=24) as shown:
            shown.until(lambda rows: any(" kept " in row for row in rows))
            first.stop()
            rows = shown.until(lambda rows: "127.0.0.1" in rows[0].partition("died")[2].strip()[9:])
            assert any(" kept " in row for row in rows)
            for _ in range(50):
                assert shown.lines()[0] == rows[0]
            with running_daemon(tmp_path / "data", listen=first.address) as second:
                shown.until(lambda rows: rows[0].split("died")[1].startswith("  127.0.0.1:"))
                with taskdash.connect(second.url) as dash:
                    dash.update("kept", name="Changed")
                shown.until(lambda rows: any(" Changed " in row for row in rows))
