"""A search finds tasks by what people call their state: the index of texts is made anew for it."""

from taskdashd.store.dialect.sqlite import texts


def up(migrator, db):
    for statement in texts.EMPTY:
        db.execute_sql(statement)
