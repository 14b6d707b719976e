"""Whether somebody has acknowledged that a task died or failed: nobody had, before this version."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE task ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0")
