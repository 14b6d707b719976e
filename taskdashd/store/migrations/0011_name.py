"""The name of each task, by which lists are ordered."""


def up(migrator, db):
    run = db.execute_sql
    run("ALTER TABLE task ADD COLUMN name TEXT NOT NULL DEFAULT ''")
    run(
        "UPDATE task SET name = c.task->>'name' FROM change AS c"
        " WHERE c.rev = task.rev AND c.task_id = task.id"
    )
    run("CREATE INDEX task_name_id_state ON task (name, id, state)")
