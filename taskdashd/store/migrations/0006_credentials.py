"""No user and no secret in a URL: whoever sees a task or a service was shown them.

Also in the log: the audit shows what a task was. From here on they are dropped at the door.
"""

import json
import re
from zlib import crc32

# As in `taskdash_protocol.readers` at this version.
CREDENTIALS = re.compile(r"((?:^|:)[/\\]{2,})(?:[^/?#\s]*@[/\\]*)+")
URL = re.compile(r'"url":"(?:[^"\\]|\\.)*"')
AT_ONCE = 1_000


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def without(text):
    return CREDENTIALS.sub(r"\1", text)


def body_without(body):
    """Give a task's body without them; nothing else of it changes by a byte."""
    url = str(json.loads(body).get("url", ""))
    kept = json.dumps(without(url), ensure_ascii=False)
    # The task's own `url` comes before any member that a client has added.
    return URL.sub(lambda _: f'"url":{kept}', body, count=1)


def up(migrator, db):
    run = db.execute_sql
    # A damaged row is left as it is, for whoever mends it.
    found = (
        "SELECT rev, task, crc FROM change WHERE rev > ? AND task LIKE '%//%@%'"
        " ORDER BY rev LIMIT ?"
    )
    rev = -1
    while rows := run(found, (rev, AT_ONCE)).fetchall():
        for rev, body, crc in rows:
            if crc is not None and crc32(body.encode()) != crc:
                continue
            kept = body_without(body)
            if kept != body:
                new = None if crc is None else crc32(kept.encode())
                run("UPDATE change SET task = ?, crc = ? WHERE rev = ?", (kept, new, rev))
    for task_id, url in run("SELECT id, url FROM task WHERE url LIKE '%@%'").fetchall():
        run("UPDATE task SET url = ? WHERE id = ?", (without(url), task_id))
    for key, value, crc in run(
        "SELECT key, value, crc FROM record WHERE kind = 'service' AND key LIKE '%@%'"
    ).fetchall():
        kept = without(key)
        if kept == key or crc32(value.encode()) != crc:
            continue
        new = compact({**json.loads(value), "url": kept})
        # Where the service is known by both, the other one stays.
        run(
            "INSERT OR IGNORE INTO record (kind, key, value, crc, rev, removed_at)"
            " SELECT kind, ?, ?, ?, rev, removed_at FROM record WHERE kind = 'service' AND key = ?",
            (kept, new, crc32(new.encode()), key),
        )
        run("DELETE FROM record WHERE kind = 'service' AND key = ?", (key,))
    names(run)


def names(run):
    """Take them out of the names of services in the log and the audit: a URL may be the name."""
    for table, of, columns in (("change", "rev", ("actor", "holder")), ("act", "id", ("who",))):
        for column in columns:
            found = f"SELECT {of}, {column} FROM {table} WHERE {column} LIKE '%//%@%'"  # noqa: S608
            for number, text in run(found).fetchall():
                run(f"UPDATE {table} SET {column} = ? WHERE {of} = ?", (without(text), number))  # noqa: S608
