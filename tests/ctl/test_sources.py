"""Files as offices and other tools have them are understood, or named in one sentence."""

import io
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskdash_ctl import sinks
from taskdash_ctl.sources import Source, Wishes
from taskdash_protocol.fields import DAEMON_FIELDS, TASK_FIELDS

PLAN = "id,name,status,user\r\ncut-1,剪辑第一卷,待领取,\r\ncut-2,配音,待领取,李\r\n"
ROWS = [
    {"id": "cut-1", "name": "剪辑第一卷", "status": "待领取", "user": ""},
    {"id": "cut-2", "name": "配音", "status": "待领取", "user": "李"},
]
NASTY = st.text(
    st.one_of(
        st.sampled_from("\r\n\t\v\f\x85\u2028\ufeff\u200b,;|\"'=+-@＝＋ 王1.Ex\x1b\x7f"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NASTY, inner, max_size=3),
    max_leaves=5,
)
TASK = st.builds(
    lambda task, key, more: {**more, **task, **dict.fromkeys(DAEMON_FIELDS, "x"), "id": key},
    st.fixed_dictionaries(dict.fromkeys(TASK_FIELDS, NASTY)),
    NASTY.filter(str.strip),
    st.dictionaries(NASTY.filter(lambda name: name not in DAEMON_FIELDS), VALUE, max_size=2),
)


class Told(io.TextIOWrapper):
    """A file of a given encoding that is not closed with its wrapper."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")


def read(data: bytes | str, form: str = "csv", **wishes: Any) -> list[dict[str, Any]]:
    file = io.BufferedReader(io.BytesIO(data.encode() if isinstance(data, str) else data))
    return [row for _, row in Source(file, Wishes(form, **wishes)).rows()]


def fault(data: bytes | str, form: str = "csv", **wishes: Any) -> str:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as told:
        read(data, form, **wishes)
    return str(told.value)


def of_client(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in DAEMON_FIELDS}


@given(st.lists(TASK, max_size=3), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@example([{**dict.fromkeys((*TASK_FIELDS, *DAEMON_FIELDS), ""), "id": "1.2E+11"}], "utf-8")
def test_what_was_exported_as_csv_comes_back(tasks: list[dict[str, Any]], encoding: str) -> None:
    """To the byte, whatever the texts: line breaks, guards, quotes, nothing at all."""
    output = Told(encoding)
    write = sinks.csv(output)
    for task in tasks:
        write(task)
    output.flush()
    data = output.buffer.getvalue()  # type: ignore[attr-defined]
    assert [of_client(row) for row in read(data)] == [of_client(task) for task in tasks]


@given(st.lists(TASK, max_size=3), st.sampled_from(["utf-8", "latin-1", "gbk"]))
def test_what_was_exported_as_json_comes_back(tasks: list[dict[str, Any]], encoding: str) -> None:
    output = Told(encoding)
    write = sinks.json_lines(output)
    for task in tasks:
        write(task)
    output.flush()
    data = output.buffer.getvalue()  # type: ignore[attr-defined]
    assert read(data, "json") == tasks
    assert read(json.dumps(tasks, indent=2), "json") == tasks


@pytest.mark.parametrize(
    "data",
    [
        PLAN.encode(),
        PLAN.encode("utf-8-sig"),
        PLAN.encode("gbk"),
        PLAN.encode("gb18030"),
        PLAN.encode("utf-16"),
        PLAN.encode("utf-16-le"),
        PLAN.encode("utf-16-be"),
        b"\xfe\xff" + PLAN.encode("utf-16-be"),
        PLAN.replace(",", ";").encode(),
        PLAN.replace(",", "\t").encode("utf-16"),
        ("sep=,\r\n" + PLAN).encode(),
        ("sep=;\r\n" + PLAN.replace(",", ";")).encode(),
        ('"sep=\t"\n' + PLAN.replace(",", "\t")).encode(),
        PLAN.replace("\r\n", "\n").encode(),
        PLAN.replace("\r\n", "\r").encode(),
        PLAN.removesuffix("\r\n").encode(),
        (PLAN + ",,,\r\n" * 8 + "\r\n , \r\n").encode(),
        PLAN.replace("id,name", "ID, Name").encode(),
        PLAN.replace("id,name", "\ufeffＩＤ ,NAME").encode("utf-8-sig"),
        b"\xef\xbb\xbf" * 2 + PLAN.replace("id", '"id"').encode("utf-8-sig"),
        PLAN.replace("\r\n", ",\r\n").encode(),
        PLAN.replace("李\r\n", "李,,,\r\n").encode(),
    ],
)
def test_a_sheet_is_understood_as_offices_write_it(data: bytes) -> None:
    assert read(data) == ROWS


def test_a_row_may_end_early_and_a_heading_be_written_as_words() -> None:
    """What has no name is no task: the daemon refuses it, where a cut row was one before."""
    text = 'Group ID,"parent-id",ProjectID,id,name,Owner\ng,p,j,1,n,me\n20%\r'
    full = {"group_id": "g", "parent_id": "p", "project_id": "j", "id": "1", "name": "n"}
    blank = {"group_id": "20%", "parent_id": "", "project_id": "", "Owner": ""}
    status = {"status": ""}
    assert read(text) == [full | {"Owner": "me"} | status, blank | status]
    assert read("id,name\n,x\n") == [{"name": "x", **status}]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "there is no heading in it"),
        ("id,name,tag,tag\n1,x,a,b\n", "columns 3 and 4, tag and tag, are both tag"),
        ("id,ID ,name\n1,2,x\n", "columns 1 and 2, id and ID, are both id"),
        ("id,name,\n1,x,\n2,x,lost\n", "line 3: column 3 has no heading"),
        ("id,name\n1,x\n2,x,lost\n", "line 3 has more cells than the heading"),
        ('id,name\n1,x\n2,"x\n3,y\n4,z\n', "line 3 is no CSV: a quote begins there that never"),
        ('id,name\n1,"x"y\n', "line 2 is no CSV: ',' expected after '\"'"),
        ('"id,name\n1,x\n', "line 1 is no CSV: a quote begins there that never ends"),
        ("Nr,name\n1,x\n", "there is no column id; there are Nr, name; --map id="),
        ("Task Id,Title\n1,x\n", "no column id; --from kanboard reads what kanboard has exported"),
        ("id,name\n1,x\n1.23457E+17,x\n", "line 3: id is 1.23457E+17, a number that a spread"),
        ("id;name;user\n1;x;1,2E+05\n", "line 2: user is 1,2E+05"),
        ("id,name\n1,Größe\n".encode("cp1252"), "line 2 is no UTF-8, and the file is no UTF-16"),
        ("id,name\n1,für\n2,Übung\n".encode("cp1252"), "line 2 is no UTF-8"),
        ("id,name\n1,影片剪輯第一卷需要審核\n".encode("big5"), "line 2 is no UTF-8"),
        ("id,name\n1,ひらがなカタカナ\n".encode("shift_jis"), "line 2 is no UTF-8"),
        (PLAN.encode() + "3,x,审".encode()[:-1], "line 4 is no UTF-8"),
        (PLAN.encode("utf-16") + b"x", "not in UTF-16, as the file's first bytes say it is"),
        (b"\x7fELF\x02\x01\0\0\xd0\xff\xff" * 9, "line 1 is no UTF-8"),
        ("id,name,more\n1,x,{\n", "line 2: column more is no JSON object"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_said_in_one_sentence(data: bytes | str, told: str) -> None:
    assert told in fault(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ('{"id":"1","name":"x"}\n[1]\n', "the array's element 1 is no JSON object"),
        ('\n[{"id":"1"},\n 5]', "the array's element 2 is no JSON object"),
        ('[{"id":"1"},\n{"id":}]', "line 2 is no JSON: Expecting value"),
        ('[{"id":NaN}]', "the array in line 1 is no JSON: NaN is no JSON number"),
        ("id,name\n", "line 1 is no JSON"),
        ('{"id":"1","n":1e400}', "line 1 is no JSON: 1e400 is too large a number"),
        ('{"id":"1","n":' + "9" * 5000 + "}", "line 1 is no JSON: a number of 5000 digits is too"),
        (b'{"id":"1","name":"x"}\n{"id":"2","name":"\xff"}\n', "line 1 is no UTF-8"),
        ('[{"uuid":"1","description":"x"}]', "tasks have no name; --from taskwarrior reads"),
    ],
)
def test_what_is_wrong_with_json_is_said_in_one_sentence(data: bytes | str, told: str) -> None:
    assert told in fault(data, "json")


def test_json_is_read_in_utf_16_too() -> None:
    """PowerShell writes it where it redirects."""
    line = '{"id":"1","name":"剪"}\r\n'
    assert read(line.encode("utf-16"), "json") == [{"id": "1", "name": "剪"}]
    assert read(line.encode("utf-8-sig"), "json") == [{"id": "1", "name": "剪"}]


def test_a_guard_is_taken_away_and_nothing_else() -> None:
    """Of another program's list nothing is: there it is no guard."""
    text = "id,name\n1,'=x\n2,''=x\n3,'x\n4,it's\n"
    assert [row["name"] for row in read(text)] == ["=x", "'=x", "'x", "it's"]
    theirs = [row["name"] for row in read(text, tool="csv")]
    assert theirs == ["'=x", "''=x", "'x", "it's"]


TASKWARRIOR = [
    {"id": 1, "uuid": "u-1", "description": "disks", "status": "pending", "priority": "H"},
    {"id": 2, "uuid": "u-2", "description": "call", "status": "waiting", "project": "nas.pi"},
    {"id": 0, "uuid": "u-3", "description": "fan", "status": "completed", "end": "20261122T1Z"},
    {"id": 0, "uuid": "u-4", "description": "idea", "status": "deleted", "epoch": 5, "rev": 1},
]
TASKWARRIOR[0] |= {"tags": ["buy"], "annotations": [{"description": "a"}, {"description": "b"}]}


@pytest.mark.parametrize("lines", [False, True])
def test_taskwarriors_words_are_known(lines: bool) -> None:
    """Older ones write an object a line, with commas behind."""
    text = json.dumps(TASKWARRIOR)
    if lines:
        text = ",\n".join(map(json.dumps, TASKWARRIOR)) + "\n"
    one, two, three, four = read(text, "json", tool="taskwarrior")
    assert (one["id"], one["name"], one["status"]) == ("u-1", "disks", "pending")
    assert (one["labels"], one["description"], one["priority"]) == (["buy"], "a\nb", 8)
    assert (two["status"], two["project_id"]) == ("pending", "nas.pi")
    assert (three["status"], three["stop_time"]) == ("finish", "20261122T1Z")
    assert (four["status"], "epoch" in four) == ("cancelled", False)
    names = {"user": "project", "id": "id"}
    told = read(text, "json", tool="taskwarrior", names=names, statuses={"Waiting": "review"})
    assert [row.get("user") for row in told] == [None, "nas.pi", None, None]
    assert [row["id"] for row in told] == ["1", "2", "0", "0"]
    assert told[1]["status"] == "review"
    assert fault(text, "json", tool="taskwarrior", names={"user": "x"}) == "no task in it has a x"


def test_kanboards_words_are_known() -> None:
    text = (
        '"Task Id",Reference,Status,"Assignee Username",Title,Tags,"Completion date"\n'
        '17,"",Open,wsg,"Move the printer","",\n18,A-7,Closed,"","Label","it, cables,it, ",11/22\n'
    )
    one, two = read(text, tool="kanboard")
    assert (one["id"], one["name"], one["status"], one["user"]) == (
        *("17", "Move the printer", "pending", "wsg"),
    )
    assert (two["status"], two["labels"], two["stop_time"]) == ("finish", ["it", "cables"], "11/22")
    assert two["Reference"] == "A-7"


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_zentaos_words_are_known(encoding: str) -> None:
    text = (
        "编号,所属执行,任务名称,优先级,任务状态,指派给\n101,片头,分镜(#101),3,未开始,甲(#u1)\n"
        "102,片头,上色,3,进行中,甲(#u1)\n103,片头,配音,3,已完成,\n104,片头,定稿,3,已关闭,\n"
        "105,片头,弃,3,已取消,\n"
    )
    rows = read(text.encode(encoding), tool="zentao")
    statuses = ["pending", "pending", "finish", "finish", "cancelled"]
    assert [row["status"] for row in rows] == statuses
    assert (rows[0]["user"], rows[0]["name"], rows[0]["project_id"]) == ("u1", "分镜(#101)", "片头")


def test_nothing_of_another_list_is_live_unless_it_is_told_to_be() -> None:
    """Our own words for what waits and what has ended stay; unknown ones are counted."""
    text = "Nr,Was,Status\n1,a,läuft\n2,b,läuft\n3,c,待审核\n4,d,failed\n5,e,\n6,f,Done\n"
    names = {"id": "nr", "name": " was "}
    file = io.BytesIO(text.encode())
    source = Source(file, Wishes("csv", "csv", names, {}))
    statuses = ["pending", "pending", "待审核", "failed", "pending", "finish"]
    assert [row["status"] for _, row in source.rows()] == statuses
    (note,) = source.notes
    assert "läuft (2)" in note
    told = read(text, tool="csv", names=names, statuses={"läuft": "running"})
    assert [row["status"] for row in told][:2] == ["running", "running"]
    plain = read(text, names=names, statuses={"Done": "finish"})
    assert [row["status"] for row in plain] == ["läuft", "läuft", "待审核", "failed", "", "finish"]


def test_what_was_said_of_a_column_counts_more_than_what_a_tool_calls_it() -> None:
    text = "Task Id,Title,Name,Status\n1,a,b,Open\n"
    (row,) = read(text, tool="kanboard", names={"name": "Name"})
    assert (row["name"], row["Title"]) == ("b", "a")
    assert "are both name" in fault("id,name,Title\n1,a,b\n", names={"name": "Title"})
    assert "there is no column x, only id, name" in fault("id,name\n1,a\n", names={"user": "x"})
    (row,) = read("id,name\n1,a\n", names={"description": "name", "name": "name"})
    assert (row["name"], row["description"]) == ("a", "a")
