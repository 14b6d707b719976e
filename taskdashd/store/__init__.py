"""Durable state. The change log is the write path; the `task` table is its fold.

`database` does the work and blocks; `writer` and `reader` are called on the event loop
and never block. `transaction` is the state that a writing operation sees, and the buffer of its
changes. No socket and no event loop may enter here: threads hand results back through a callable.
"""

import sys
from importlib import import_module


def _without_drivers() -> None:
    """Fetch peewee without the drivers of PostgreSQL that it looks for: they take ten megabytes.

    The engine that needs one tells peewee of it.
    """
    hidden = [name for name in ("psycopg", "psycopg2") if name not in sys.modules]
    # None stands for a module that cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import_module("playhouse.migrations")
    finally:
        for name in hidden:
            del sys.modules[name]


_without_drivers()
