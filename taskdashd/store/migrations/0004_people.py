"""People and services beside the tasks; who is to check a task; 待审核 waits for a person."""

from peewee import CompositeKey, IntegerField, Model, TextField


def up(migrator, db):
    class Record(Model):
        kind = TextField()
        key = TextField()
        value = TextField()
        crc = IntegerField()

        class Meta:
            database = db
            table_name = "record"
            primary_key = CompositeKey("kind", "key")
            without_rowid = True

    db.create_tables([Record], safe=False)
    db.execute_sql("ALTER TABLE task ADD COLUMN checker TEXT NOT NULL DEFAULT ''")
    db.execute_sql(
        "UPDATE task SET checker = c.task->>'checker' FROM change AS c"
        " WHERE c.rev = task.rev AND c.task->>'checker' <> ''"
    )
    db.execute_sql("CREATE INDEX task_checker ON task (checker) WHERE checker <> ''")
    db.execute_sql("UPDATE task SET live = 0 WHERE status = '待审核'")
