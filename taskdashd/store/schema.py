"""The tables. A change here needs a migration in `migrations/`, see docs/architecture.md."""

from peewee import (
    SQL,
    CompositeKey,
    FloatField,
    IntegerField,
    Model,
    TextField,
)

__all__ = ["Act", "Change", "Label", "Record", "State", "Task"]


class Change(Model):
    """The append-only log: a row is what happened, and the task after it."""

    rev = IntegerField(primary_key=True)
    previous_rev = IntegerField()
    """The same task's row before this one: its history is a linked list and needs no index."""
    kind = TextField()
    at = TextField()
    actor = TextField()
    """Who made the change; empty where it was the holder."""
    task_id = TextField()
    owner = IntegerField()
    holder = TextField()
    held_since = TextField()
    """Since when the holder is the holder; empty where it is since this change (`at`)."""
    task = TextField()
    crc = IntegerField(null=True)
    """CRC-32 of `task` in UTF-8: SQLite does not notice a flipped bit in a text. Null in rows that
    were written before there was one."""
    task_kind = IntegerField(null=True)
    """A number of `dialect.TASK_KINDS`. Null in rows that were written before there was one: then
    `task.kind` says it."""

    class Meta:
        table_name = "change"


class Task(Model):
    """The fold: for each task the rev of its last change, and the fields that people select by."""

    id = TextField(primary_key=True)
    rev = IntegerField()
    state = IntegerField()
    """A number of `dialect.STATES`: 0 for a live task, whatever its status; else its status."""
    heartbeat_timeout = FloatField(null=True)
    status = TextField()
    user = TextField()
    group_id = TextField()
    project_id = TextField()
    checker = TextField()
    parent_id = TextField()
    url = TextField()
    rank = TextField()
    """The task's place among its siblings, in the order of its bytes: `tree.rank`, or the digits of
    `created_at`."""
    queue = TextField()
    made_by = TextField()
    at = TextField()
    """When it last changed; RFC 3339."""
    kind = IntegerField()
    """A number of `dialect.TASK_KINDS`."""
    acknowledged = IntegerField()
    """Whether somebody has acknowledged that it died or failed: the place in `ANSWERS`."""
    priority = IntegerField()
    name = TextField()

    class Meta:
        table_name = "task"
        without_rowid = True
        indexes = (
            (("state", "rev"), False),
            (("group_id", "state", "rev"), False),
            (("at",), False),
            # With the state, so that a list of some states by name need not look at the others.
            (("name", "id", "state"), False),
        )


Task.add_index(
    Task.at, name="task_forgettable", where=(Task.kind == SQL("0")) & (Task.state > SQL("0"))
)
# Most tasks have no priority of their own, and cost nothing here. Those that have stand in its
# order, and of one priority by their ids: the primary key ends each index.
Task.add_index(
    *(Task.state, Task.priority), name="task_priority", where=(Task.priority != SQL("5"))
)
# Each index ends in state and rev, and states are few: tasks of some value are read newest first by
# merging its states, of whichever states are asked for, and no index by rev alone is needed.
for _column in (Task.user, Task.project_id, Task.checker, Task.parent_id, Task.url):
    Task.add_index(
        *(_column, Task.state, Task.rev), name=f"task_{_column.name}", where=(_column != SQL("''"))
    )
Task.add_index(Task.parent_id, Task.rank, name="task_rank", where=(Task.parent_id != SQL("''")))
Task.add_index(Task.queue, name="task_queue", where=(Task.queue != SQL("''")))
Task.add_index(Task.made_by, name="task_made_by", where=(Task.made_by != SQL("''")))


class Label(Model):
    """A label of a task, by which people select it."""

    id = TextField()
    """The id of the task."""
    label = TextField()
    """The label as it is compared with others."""
    state = IntegerField()
    rev = IntegerField()
    """State and rev are as in `task`: tasks of a label are read newest first, as of any field."""

    class Meta:
        table_name = "task_label"
        primary_key = CompositeKey("id", "label")
        without_rowid = True
        indexes = ((("label", "state", "rev"), False),)


class Act(Model):
    """An event that changes no task: a sign-in, a refusal, something an operator did."""

    rev = IntegerField()
    """Rev of the newest change when the act happened."""
    at = TextField()
    kind = TextField()
    who = TextField()
    detail = TextField()
    count = IntegerField()
    """How often the act happened: repeats at short intervals are one row."""

    class Meta:
        table_name = "act"


class Record(Model):
    """A person, a service, a day's figures: kept beside the tasks."""

    kind = TextField()
    key = TextField()
    value = TextField()
    """JSON object."""
    crc = IntegerField()
    """CRC-32 of `value` in UTF-8."""
    rev = IntegerField()
    """Rev of the write that kept the record as it is, or removed it."""
    removed_at = TextField()
    """When the record was removed; empty where it is there. RFC 3339. A removed one stays for a day
    as a tombstone, its value empty."""

    class Meta:
        table_name = "record"
        primary_key = CompositeKey("kind", "key")
        without_rowid = True


class State(Model):
    """One row about the file itself."""

    id = IntegerField(primary_key=True)
    folded_rev = IntegerField()
    """The log up to this rev is in `task`."""
    pruned_rev = IntegerField()
    """The log up to this rev may have gaps: a watch cannot resume before it."""
    forgotten_rev = IntegerField()
    """The newest rev of all tasks that were forgotten: a watch cannot resume before it."""
    own_since = IntegerField()
    """In rows up to this rev `tree`, `job`, `gate` and `acknowledged` are a client's, in
    later ones the daemon's."""
    spanned_rev = IntegerField()
    """The log up to this rev is in the spans."""
    text_rev = IntegerField()
    """The tasks whose last change is up to this rev are in the index of texts."""
    boot = IntegerField()
    """How often a daemon has opened this file; makes connection serials unique for ever."""

    class Meta:
        table_name = "state"
