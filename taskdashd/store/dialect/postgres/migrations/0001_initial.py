"""The schema as SQLite's has it after its eleventh migration, in what PostgreSQL has for it.

Texts are compared by their bytes, as in SQLite. An index has the beginnings of long ones: a row of
it holds 2,704 bytes at most. No table has JSON in a column of that type, which refuses a NUL.
"""

TEXT = 'text COLLATE "C" NOT NULL'
OPTIONAL = f"{TEXT} DEFAULT ''"
NUMBER = "bigint NOT NULL"
ZERO = f"{NUMBER} DEFAULT 0"
# Columns, and no expressions in the indexes: a count would else have to look at each task.
GENERATED = 'text COLLATE "C" GENERATED ALWAYS AS (left("{}", 128)) STORED'

TABLES = {
    "change": (
        f"rev bigint PRIMARY KEY, previous_rev {NUMBER}, kind {TEXT}, at {TEXT}, actor {TEXT},"
        f" task_id {TEXT}, owner {NUMBER}, holder {TEXT}, held_since {TEXT}, task {TEXT},"
        " crc bigint, task_kind bigint"
    ),
    "task": (
        f"id {TEXT} PRIMARY KEY, rev {NUMBER}, state {ZERO}, heartbeat_timeout double precision,"
        f' status {TEXT}, "user" {TEXT}, group_id {TEXT}, project_id {TEXT}, checker {OPTIONAL},'
        f" parent_id {OPTIONAL}, url {OPTIONAL}, rank {OPTIONAL}, queue {OPTIONAL},"
        f" made_by {OPTIONAL}, at {OPTIONAL}, kind {ZERO}, acknowledged {ZERO},"
        f" priority {NUMBER} DEFAULT 5, name {OPTIONAL}, "
        + ", ".join(
            f"{name}_begins {GENERATED.format(name)}"
            for name in ("user", "group_id", "project_id", "checker", "parent_id", "url", "name")
        )
    ),
    "task_label": (
        f"id {TEXT} REFERENCES task ON DELETE CASCADE, label {TEXT}, state {NUMBER}, rev {NUMBER},"
        " PRIMARY KEY (id, label)"
    ),
    "task_text": (
        f"id {TEXT} PRIMARY KEY REFERENCES task ON DELETE CASCADE, rev {NUMBER}, text {TEXT}"
    ),
    "task_gram": (
        f"id {TEXT} PRIMARY KEY REFERENCES task ON DELETE CASCADE,"
        ' grams text[] COLLATE "C" NOT NULL'
    ),
    "act": (
        f"id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, rev {NUMBER}, at {TEXT}, kind {TEXT},"
        f" who {TEXT}, detail {TEXT}, count {NUMBER}"
    ),
    "record": (
        f"kind {TEXT}, key {TEXT}, value {TEXT}, crc {NUMBER}, rev {ZERO}, removed_at {OPTIONAL},"
        " PRIMARY KEY (kind, key)"
    ),
    "state": (
        f"id bigint PRIMARY KEY, folded_rev {NUMBER}, pruned_rev {NUMBER}, boot {NUMBER},"
        f" forgotten_rev {ZERO}, own_since {ZERO}, spanned_rev {ZERO}, text_rev {ZERO},"
        f" rev {ZERO}, term {ZERO}, commits {ZERO}, cluster {TEXT}"
    ),
}

LEFT = "left({}, 128)"
INDEXES = (
    "task_state_rev ON task (state, rev)",
    "task_group_id_state_rev ON task (group_id_begins, state, rev)",
    "task_at ON task (at)",
    "task_rev ON task (rev)",
    "task_name_id_state ON task (name_begins, id, state)",
    "task_forgettable ON task (at) WHERE kind = 0 AND state > 0",
    "task_priority ON task (state, priority, id) WHERE priority <> 5",
    *(
        f"task_{name} ON task ({name}_begins, state, rev) WHERE {chr(34)}{name}{chr(34)} <> ''"
        for name in ("user", "project_id", "checker", "parent_id", "url")
    ),
    f"task_rank ON task (parent_id_begins, {LEFT.format('rank')}) WHERE parent_id <> ''",
    # Of any length: who looks for the tasks below another names it as a whole.
    "task_parent ON task USING hash (parent_id) WHERE parent_id <> ''",
    f"task_queue ON task ({LEFT.format('queue')}) WHERE queue <> ''",
    f"task_made_by ON task ({LEFT.format('made_by')}) WHERE made_by <> ''",
    "task_label_found ON task_label (label, state, rev)",
    "task_text_rev ON task_text (rev)",
    "task_gram_grams ON task_gram USING gin (grams)",
)

# A NUL that is written out in JSON, in a member that nobody asks for, would fail `->>`.
MEMBER = r"""
CREATE FUNCTION member(task text, name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT CASE WHEN strpos(task, '\u0000') = 0 THEN task::json->>name
    ELSE regexp_replace(task, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')::json->>name END
$$
"""
# What the planner can work out beforehand, and so knows how many tasks there are of it.
BEGINNINGS = """
CREATE FUNCTION beginnings(texts text[]) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT ARRAY(SELECT left(one, 128) FROM unnest(texts) AS one)
$$
"""


def up(migrator, db):
    run = db.execute_sql
    for name, columns in TABLES.items():
        run(f"CREATE TABLE {name} ({columns})")
    for index in INDEXES:
        run(f"CREATE INDEX {index}")
    run(MEMBER)
    run(BEGINNINGS)
    # What is new is in no backup of the statistics: look at a table again once it has grown a bit.
    run("ALTER TABLE task SET (autovacuum_analyze_scale_factor = 0.02)")
    run(
        "INSERT INTO state (id, folded_rev, pruned_rev, boot, cluster)"
        " VALUES (1, 0, 0, 0, substr(md5(random()::text || clock_timestamp()::text), 1, 16))"
    )
