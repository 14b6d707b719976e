"""The index of labels. Clients may have written lists of that name before: they count from here."""

from taskdashd.store.dialect.sqlite import labels


def up(migrator, db):
    run = db.execute_sql
    run(
        "CREATE TABLE task_label (id TEXT NOT NULL, label TEXT NOT NULL, state INTEGER NOT NULL,"
        " rev INTEGER NOT NULL, PRIMARY KEY (id, label)) WITHOUT ROWID"
    )
    run("CREATE INDEX task_label_found ON task_label (label, state, rev)")
    # Whoever deletes a task takes its labels along.
    run(
        "CREATE TRIGGER task_label_deleted AFTER DELETE ON task"
        " BEGIN DELETE FROM task_label WHERE id = old.id; END"
    )
    (folded,) = run("SELECT folded_rev FROM state").fetchone()
    labels.fold(run, 0, folded)
