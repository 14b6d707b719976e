"""The tables. A change here needs a migration in `migrations/`, see docs/architecture.md."""

from peewee import (
    SQL,
    BooleanField,
    CompositeKey,
    FloatField,
    IntegerField,
    Model,
    TextField,
)

__all__ = ["Act", "Change", "Record", "State", "Task"]


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

    class Meta:
        table_name = "change"


class Task(Model):
    """The fold: for each task the rev of its last change, and the fields that people select by."""

    id = TextField(primary_key=True)
    rev = IntegerField()
    live = BooleanField()
    heartbeat_timeout = FloatField(null=True)
    status = TextField()
    user = TextField()
    group_id = TextField()
    project_id = TextField()
    checker = TextField()

    class Meta:
        table_name = "task"
        without_rowid = True
        indexes = (
            (("status",), False),
            (("user", "status"), False),
            (("group_id", "status"), False),
        )


Task.add_index(Task.live, name="task_live", where=(Task.live == SQL("1")))
Task.add_index(Task.checker, name="task_checker", where=(Task.checker != SQL("''")))


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
    boot = IntegerField()
    """How often a daemon has opened this file; makes connection serials unique for ever."""

    class Meta:
        table_name = "state"
