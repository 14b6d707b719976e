"""The words of other task tools, and of office lists: which column is which field, what is done.

Nothing that comes from another tool becomes live without being told to: nobody would beat for it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from taskdash_ctl.sheets import folded
from taskdash_protocol.fields import (
    CONTROL_FIELDS,
    DAEMON_FIELDS,
    DAEMON_OBJECTS,
    LABELS,
    PRIORITY,
    TASK_FIELDS,
)
from taskdash_protocol.statuses import CANCELLED, FINISHED, is_live

_NOT_THEIRS: Final = {*CONTROL_FIELDS, *DAEMON_FIELDS, *DAEMON_OBJECTS}
"""Members that would steer the write, or claim what only the daemon knows."""
_WAITING: Final = "pending"
_ACCOUNT: Final = re.compile(r".*\(#(.+)\)", re.DOTALL)
"""How ZenTao writes somebody: the name, and the account behind it."""
_PRIORITIES: Final = {"H": 8, "M": 5, "L": 2}
_KNOWN: Final = {
    **dict.fromkeys(
        ("completed", "complete", "done", "closed", "resolved", "finished", "finish"), FINISHED
    ),
    **dict.fromkeys(("已完成", "完成", "已关闭", "关闭", "已解决", "已结束"), FINISHED),
    **dict.fromkeys(("open", "new", "todo", "backlog", "waiting", "recurring"), _WAITING),
    **dict.fromkeys(("未开始", "打开", "待办"), _WAITING),
    **dict.fromkeys(("deleted", "cancelled", "canceled", "已取消", "取消", "已删除"), CANCELLED),
}


@dataclass(frozen=True)
class Tool:
    """What a tool's exports look like."""

    form: str
    columns: Mapping[str, str]
    """Our fields by theirs."""


TOOLS: Final[Mapping[str, Tool]] = {
    "taskwarrior": Tool(
        "json",
        {
            "uuid": "id",
            "description": "name",
            "project": "project_id",
            "start": "start_time",
            "end": "stop_time",
            "tags": LABELS,
        },
    ),
    "kanboard": Tool(
        "csv",
        {
            "Task Id": "id",
            "Title": "name",
            "Project": "project_id",
            "Assignee Username": "user",
            "Start date": "start_time",
            "Completion date": "stop_time",
            "Tags": LABELS,
        },
    ),
    "zentao": Tool(
        "csv",
        {
            "编号": "id",
            "任务名称": "name",
            "任务状态": "status",
            "指派给": "user",
            "任务描述": "description",
            "所属执行": "project_id",
            "所属项目": "project_id",
        },
    ),
    "csv": Tool("csv", {}),
}


def maker_of(names: Iterable[str]) -> str:
    """Say by which `--from` columns of these names are read; nothing where it is none."""
    there = set(map(folded, names))
    for name, tool in TOOLS.items():
        ours = {ours for theirs, ours in tool.columns.items() if folded(theirs) in there}
        if {"id", "name"} <= ours:
            return f"--from {name} reads what {name} has exported"
    return ""


class Statuses:
    """Makes our statuses of theirs, and counts those that no word is known for."""

    def __init__(self, told: Mapping[str, str], *, theirs: bool) -> None:
        self._told = {folded(their): ours for their, ours in told.items()}
        self._theirs = theirs
        self.unknown: Counter[str] = Counter()

    def of(self, status: str) -> str:
        """Give the status of a task that has this one there."""
        key = folded(status)
        if key in self._told:
            return self._told[key]
        if not self._theirs:
            return status
        if key in _KNOWN:
            return _KNOWN[key]
        if is_live(status):
            self.unknown[status] += bool(status)
            return _WAITING
        return status


def task(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give what another tool knows of a task as fields that can be registered."""
    fields = {name: value for name, value in row.items() if name not in _NOT_THEIRS}
    for name in TASK_FIELDS.keys() & fields.keys():
        if type(fields[name]) in (int, float):
            fields[name] = str(fields[name])
    labels = fields.get(LABELS)
    if isinstance(labels, str):
        parts = map(str.strip, labels.split(","))
        fields[LABELS] = list(dict.fromkeys(filter(None, parts)))
    priority = fields.get(PRIORITY)
    if isinstance(priority, str):
        fields[PRIORITY] = _PRIORITIES.get(priority, priority)
    user = fields.get("user")
    if isinstance(user, str) and (account := _ACCOUNT.fullmatch(user)):
        fields["user"] = account[1]
    notes = fields.get("annotations")
    if isinstance(notes, list) and not fields.get("description"):
        texts = [note.get("description") for note in notes if isinstance(note, dict)]
        fields["description"] = "\n".join(text for text in texts if isinstance(text, str))
    return fields
