"""Whose a task is, what it is part of, when it changed; revs of records; more waiting words."""

OF_PEOPLE = "'待领取', '已领取', '编辑中', '待审核', 'pending', 'review', '草稿', '待批准'"
NEW = "'草稿', '待批准', '待触发', '待执行'"
DIGITS = "c.task->>'created_at'"
for sign in "-:T.Z":
    DIGITS = f"replace({DIGITS}, '{sign}', '')"


def up(migrator, db):
    run = db.execute_sql
    run("ALTER TABLE change ADD COLUMN task_kind INTEGER")
    for name in ("parent_id", "rank", "queue", "made_by", "at"):
        run(f"ALTER TABLE task ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    run("ALTER TABLE task ADD COLUMN kind INTEGER NOT NULL DEFAULT 0")
    run(
        f"UPDATE task SET parent_id = c.task->>'parent_id', rank = {DIGITS}, at = c.at,"  # noqa: S608
        f" live = live AND status NOT IN ({NEW}) FROM change AS c WHERE c.rev = task.rev"
    )
    # Whoever once was in a status of people's is people's for good, so the whole log counts.
    # Rows that the fold has not reached bear their kind themselves, as all new rows do.
    were = f"(SELECT task_id FROM change WHERE task->>'status' IN ({OF_PEOPLE}))"  # noqa: S608
    run(f"UPDATE task SET kind = 1 WHERE id IN {were}")  # noqa: S608
    run(
        "UPDATE change SET task_kind = 1 WHERE rev > (SELECT folded_rev FROM state)"  # noqa: S608
        f" AND task_id IN {were}"
    )
    run("CREATE INDEX task_at ON task (at)")
    run("CREATE INDEX task_forgettable ON task (at) WHERE kind = 0 AND live = 0")
    run("CREATE INDEX task_parent_id ON task (parent_id, rank) WHERE parent_id <> ''")
    run("CREATE INDEX task_queue ON task (queue) WHERE queue <> ''")
    run("CREATE INDEX task_made_by ON task (made_by) WHERE made_by <> ''")
    for name in ("forgotten_rev", "own_since", "spanned_rev"):
        run(f"ALTER TABLE state ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")
    run("UPDATE state SET own_since = (SELECT coalesce(max(rev), 0) FROM change)")
    run("ALTER TABLE record ADD COLUMN rev INTEGER NOT NULL DEFAULT 0")
    run("ALTER TABLE record ADD COLUMN removed_at TEXT NOT NULL DEFAULT ''")
