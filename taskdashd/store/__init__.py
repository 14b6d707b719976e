"""What is durable. The change log is the write path; the `task` table is its fold.

`database` does the work on SQLite and blocks; `writer` and `reader` are the event loop's side of
it and never do. `transaction` is what a writing operation may look at and put. Nothing in here
knows a socket or an event loop: threads hand their results back through a callable.
"""
