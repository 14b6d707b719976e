"""The members of a task and of a write: their names, their order, their meaning."""

from typing import Final

TASK_FIELDS: Final[dict[str, str]] = {
    "id": "The task's key, chosen by the service: 1-128 characters, no control characters.",
    "name": "What people call the task. Required on Register.",
    "url": "Where the service that runs it can be reached.",
    "user": "Who it belongs to.",
    "group_id": "The group it belongs to.",
    "description": "A line of text for people.",
    "status": "Free text: finish, failed, cancelled end it; pending, review wait; else it is live.",
    "start_time": "The service's own words; stored unchanged.",
    "stop_time": "The service's own words; stored unchanged.",
    "project_id": "The project it is part of.",
    "instance_id": "The instance of the project or flow.",
    "task_type": "What kind of work it is.",
    "edit_info": "What an editor needs; stored unchanged.",
    "checker": "Who reviews it.",
    "parent_id": "The id of the task it is part of.",
}
"""The string fields of a task that clients write, in the order in which they are given back."""

DAEMON_FIELDS: Final[dict[str, str]] = {
    "rev": "Number of the task's last change; one counter for the whole daemon.",
    "epoch": "Grows by 1 each time the owning connection changes.",
    "created_at": "When it was first registered.",
    "updated_at": "When it last changed.",
    "shutdown_at": "When the daemon set it to `shutdown`; empty otherwise.",
    "status_before_shutdown": "The status it had then; empty otherwise.",
    "last_seen": "The last sign of life of its owner.",
}
"""Fields that the daemon alone writes. Times are RFC 3339, UTC, with milliseconds."""

DAEMON_OBJECTS: Final[dict[str, str]] = {
    "tree": "Its place among the tasks that it is part of, and why it waits.",
    "job": "How executors do it: conditions, attempts, result.",
    "gate": "Whose yes it needs, and who gave it.",
    "acknowledged": "Who has seen that it died or failed.",
}
"""Members that the daemon alone writes, each an object; every write of a service keeps them."""

PEOPLE_FIELDS: Final[dict[str, str]] = {
    "claimed_at": "When who has it got it.",
    "claim_until": "When it is free again unless it was submitted; empty: never.",
    "free_since": "When it was last given back or taken away.",
    "freed_from": "Who had it until then.",
    "submitted_by": "Who did the work that was handed in.",
    "checked_at": "When that was last found good or not.",
}
"""Members that the daemon writes where people do a task; what a client sends there is ignored."""

HEARTBEAT_TIMEOUT_MIN_S: Final = 0.5
HEARTBEAT_TIMEOUT_MAX_S: Final = 2_678_400.0
"""31 days, so that what runs once a month can be waited for."""

CONTROL_FIELDS: Final[dict[str, str]] = {
    "heartbeat_timeout": "This task's own timeout in seconds, 0.5-2678400; without it the daemon's"
    " holds.",
    "epoch": "The epoch that the writer believes in; any other than the current one gets 1004.",
    "fenced": "Other connections need the current epoch to write this task.",
    "own": "`false` changes the task and leaves it to its owner; for operators and tools.",
}
"""Fields of Register and Update that steer the write."""

# Leave out `last_seen`: every heartbeat moves it, so pages ordered by it would lose tasks.
WHERE_FIELDS: Final = frozenset(TASK_FIELDS) | frozenset(
    ("created_at", "updated_at", "shutdown_at", "status_before_shutdown")
)
"""The fields that a `where` may name."""
CLASS: Final = "class"
"""A further name for a `where`: the class that a task's status falls in."""
LABELS: Final = "labels"
"""The member that holds a task's labels, a list; and in a `where`: has one of them."""
LABELS_MAX: Final = 16
LABEL_CHARACTERS_MAX: Final = 32
ACKNOWLEDGED: Final = "acknowledged"
"""The daemon's object that says who has seen that a task died or failed."""
ANSWERS: Final = ("no", "seen", "hidden")
"""What a `where` says of it: nobody has, somebody has, somebody has and dismissed it."""
SELECTABLE: Final = WHERE_FIELDS | {CLASS, LABELS, ACKNOWLEDGED}
"""All that a `where` may name."""
PRIORITY: Final = "priority"
"""A member that anybody may write: 0 to 9, and 9 comes first."""
PRIORITIES: Final = range(10)
PRIORITY_DEFAULT: Final = 5
"""The priority of a task that has none, or something else there."""
ORDER_FIELDS: Final = WHERE_FIELDS | {"rev", "epoch", PRIORITY}
"""The fields that an `order` may name."""

ORIGINAL_NAMES: Final[dict[str, str]] = {
    "ID": "id",
    "ProjectID": "project_id",
    "InstanceID": "instance_id",
    "TaskID": "task_id",
    "TaskType": "task_type",
    "URL": "url",
    "Status": "status",
    "EditInfo": "edit_info",
    "User": "user",
    "Checker": "checker",
    "Group": "group_id",
    "Reserved": "reserved",
    "Name": "name",
}
"""The fields by the names that the original HTTP API and its services use."""
