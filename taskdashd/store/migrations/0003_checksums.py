"""A checksum for what each row of the log says, so that no damaged text is ever told."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE change ADD COLUMN crc INTEGER")
