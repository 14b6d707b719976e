"""Durable state. The change log is the write path; the `task` table is its fold.

`database` does the work on SQLite and blocks; `writer` and `reader` are called on the event loop
and never block. `transaction` is the state that a writing operation sees, and the buffer of its
changes. No socket and no event loop may enter here: threads hand results back through a callable.
"""
