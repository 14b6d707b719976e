"""The change log, its fold, and the state of the file."""

from peewee import (
    SQL,
    BooleanField,
    FloatField,
    IntegerField,
    Model,
    TextField,
)


def up(migrator, db):
    class Change(Model):
        rev = IntegerField(primary_key=True)
        previous_rev = IntegerField()
        kind = TextField()
        at = TextField()
        actor = TextField()
        task_id = TextField()
        owner = IntegerField()
        holder = TextField()
        held_since = TextField()
        task = TextField()

        class Meta:
            database = db
            table_name = "change"

    class Task(Model):
        id = TextField(primary_key=True)
        rev = IntegerField()
        live = BooleanField()
        heartbeat_timeout = FloatField(null=True)
        status = TextField()
        user = TextField()
        group_id = TextField()
        project_id = TextField()

        class Meta:
            database = db
            table_name = "task"
            without_rowid = True
            indexes = (
                (("status",), False),
                (("user", "status"), False),
                (("group_id", "status"), False),
            )

    Task.add_index(Task.live, name="task_live", where=(Task.live == SQL("1")))

    class State(Model):
        id = IntegerField(primary_key=True)
        folded_rev = IntegerField()
        pruned_rev = IntegerField()
        boot = IntegerField()

        class Meta:
            database = db
            table_name = "state"

    db.create_tables([Change, Task, State], safe=False)
    State.create(id=1, folded_rev=0, pruned_rev=0, boot=0)
