"""The priority of each task, by which lists are ordered; and whether what died was dismissed."""

PRIORITY = "c.task->>'priority'"


def up(migrator, db):
    run = db.execute_sql
    run("ALTER TABLE task ADD COLUMN priority INTEGER NOT NULL DEFAULT 5")
    # Most tasks have none: the text is looked at first, and parsed only where it may have one.
    run(
        f"UPDATE task SET priority = {PRIORITY} FROM change AS c"  # noqa: S608
        " WHERE c.rev = task.rev AND instr(c.task, '\"priority\":')"
        f" AND json_type(c.task, '$.priority') = 'integer' AND {PRIORITY} BETWEEN 0 AND 9"
    )
    run("CREATE INDEX task_priority ON task (state, priority) WHERE priority <> 5")
    run(
        "UPDATE task SET acknowledged = 2 FROM change AS c WHERE c.rev = task.rev"
        " AND task.acknowledged = 1 AND c.task->'acknowledged'->>'hide'"
    )
