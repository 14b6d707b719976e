"""Whose a task is, what it is part of, when it changed; revs of records; more waiting words."""

OF_PEOPLE = "'待领取', '已领取', '编辑中', '待审核', 'pending', 'review', '草稿', '待批准'"
# The numbers of `dialect.STATES`.
STATES = (
    *("finish", "finished", "failed", "cancelled", "shutdown", "待领取", "pending", "已领取"),
    *("编辑中", "待审核", "review", "草稿", "待批准", "待触发", "待执行"),
)
WHENS = " ".join(f"WHEN '{status}' THEN {number}" for number, status in enumerate(STATES, 1))
DIGITS = "c.task->>'created_at'"
for sign in "-:T.Z":
    DIGITS = f"replace({DIGITS}, '{sign}', '')"


def up(migrator, db):
    run = db.execute_sql
    run("ALTER TABLE change ADD COLUMN task_kind INTEGER")
    for name in ("task_status", "task_user_status", "task_group_id_status", "task_live"):
        run(f"DROP INDEX {name}")
    run("DROP INDEX task_checker")
    run("ALTER TABLE task DROP COLUMN live")
    run("ALTER TABLE task ADD COLUMN state INTEGER NOT NULL DEFAULT 0")
    for name in ("parent_id", "url", "rank", "queue", "made_by", "at"):
        run(f"ALTER TABLE task ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")
    run("ALTER TABLE task ADD COLUMN kind INTEGER NOT NULL DEFAULT 0")
    run(
        f"UPDATE task SET parent_id = c.task->>'parent_id', rank = {DIGITS}, at = c.at,"  # noqa: S608
        f" url = c.task->>'url', state = CASE status {WHENS} ELSE 0 END"
        " FROM change AS c WHERE c.rev = task.rev"
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
    run("CREATE INDEX task_forgettable ON task (at) WHERE kind = 0 AND state > 0")
    run("CREATE INDEX task_state_rev ON task (state, rev)")
    run("CREATE INDEX task_group_id_state_rev ON task (group_id, state, rev)")
    for name in ("user", "project_id", "checker", "parent_id", "url"):
        run(f"CREATE INDEX task_{name} ON task ({name}, state, rev) WHERE {name} <> ''")
    run("CREATE INDEX task_rank ON task (parent_id, rank) WHERE parent_id <> ''")
    run("CREATE INDEX task_queue ON task (queue) WHERE queue <> ''")
    run("CREATE INDEX task_made_by ON task (made_by) WHERE made_by <> ''")
    texts(run)
    for name in ("forgotten_rev", "own_since", "spanned_rev", "text_rev"):
        run(f"ALTER TABLE state ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")
    run("UPDATE state SET own_since = (SELECT coalesce(max(rev), 0) FROM change)")
    run("ALTER TABLE record ADD COLUMN rev INTEGER NOT NULL DEFAULT 0")
    run("ALTER TABLE record ADD COLUMN removed_at TEXT NOT NULL DEFAULT ''")


def texts(run):
    run(
        "CREATE VIRTUAL TABLE task_text USING fts5(text, content='', contentless_delete=1,"
        " detail=none, tokenize='trigram case_sensitive 1')"
    )
    # A merge for the sake of deleted rows alone would go through all of them at once, for seconds;
    # they leave with the merges that insertions need anyway.
    run("INSERT INTO task_text (task_text, rank) VALUES ('deletemerge', 0)")
    run("CREATE VIRTUAL TABLE task_gram USING fts5vocab(task_text, instance)")
    # Whoever deletes a task takes its text from the index.
    run(
        "CREATE TRIGGER task_text_deleted AFTER DELETE ON task"
        " WHEN old.rev <= (SELECT text_rev FROM state)"
        " BEGIN DELETE FROM task_text WHERE rowid = old.rev; END"
    )
