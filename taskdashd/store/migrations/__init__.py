"""One file a schema version, run in order by `playhouse.migrations`, each in one transaction.

A file that has been released is never edited again. It declares its own frozen models: those in
`schema.py` move on.
"""
