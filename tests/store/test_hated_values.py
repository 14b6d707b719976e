"""Values that databases hate: what SQLite takes, PostgreSQL takes, and gives back to the byte, in
the same order."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from engines import AT, Engines
from test_engines import everything, pages

from taskdash_protocol import strictjson
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.tasks import Register
from taskdashd.domain.acts import Act
from taskdashd.store import kept
from taskdashd.store.database import Database
from taskdashd.store.records import Record

INDEXED = ("user", "checker", "group_id", "project_id", "parent_id", "url", "name")
"""The members of which an index has the beginnings."""


@pytest.fixture(scope="module")
def both(server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    engines = Engines(tmp_path_factory.mktemp("hated"))
    yield engines
    engines.close()


@pytest.fixture
def engines(both: Engines) -> Engines:
    both.empty()
    return both


def noise(characters: int, seed: int = 0) -> str:
    """Give a text that no server makes shorter by compressing it."""
    chance = random.Random(seed)
    return "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(characters))


def check(engines: Engines, *asked: dict[str, Any]) -> None:
    """Check that both have the same rows, and answer the same to all that a daemon asks."""
    engines.check_rows()
    engines.same(lambda database: everything(database, sorted(engines.known)))
    for one in asked:
        selected(engines, one)


def selected(
    engines: Engines, where: dict[str, Any], order: str = "id", contains: str = ""
) -> list[str]:
    """Give the ids of what a Query selects, in both engines, unfolded and folded, page by page."""
    asked = (where, None, contains, order)
    found = engines.same(lambda database: pages(database, engines, asked, 2))
    return [row.id for page in found for row in page.rows]


def bodies(engines: Engines) -> dict[str, Any]:
    """Give the members of all tasks, as both engines have them."""
    ids = sorted(engines.known)
    found = engines.same(lambda database: database.load(ids, []))
    loaded = {one: kept.task(one, bytes_) for one, bytes_ in found.items()}
    assert {one: task.body for one, task in loaded.items()} == {
        one: engines.known[one].body for one in ids
    }
    return {one: strictjson.loads(task.body) for one, task in loaded.items()}


@pytest.mark.parametrize("backslashes", range(5))
@pytest.mark.parametrize("many", [1, 2, 3])
def test_a_nul_in_an_unknown_member(engines: Engines, backslashes: int, many: int) -> None:
    """JSON of PostgreSQL refuses it, whatever member is asked for."""
    odd = "\\" * backslashes + "\0" * many
    values = [odd, f"{odd}u0000", f"\\u0000{odd}", f"{odd}\\", f'"{odd}"', f"{odd}0"]
    for number, value in enumerate(values):
        engines.write(f"t{number}", odd=value, reason=value, task_type=f"k{-number}")
    engines.write("in a key", **{f"a{odd}b": {odd: [odd]}})
    engines.fold()
    check(engines)
    told = bodies(engines)
    assert [told[f"t{number}"]["odd"] for number in range(6)] == values
    for order in ("task_type", "-created_at", "epoch"):
        assert set(selected(engines, {}, order)) == set(engines.known)
    assert selected(engines, {"task_type": ["k-1"]}) == ["t1"]
    assert selected(engines, {}, "id", "u0000") == ["t1", "t2"]


@pytest.mark.parametrize(
    ("length", "members"), [(900, INDEXED), (100_000, ("user", "parent_id", "name"))]
)
def test_texts_that_fit_into_no_row_of_an_index(
    engines: Engines, length: int, members: tuple[str, ...]
) -> None:
    """An index has the beginnings; the tasks are selected and sorted by the whole of the text."""
    begun = noise(128)
    texts = [begun, begun[:127], f"{begun}b", f"{begun}a", begun + noise(length), noise(length, 1)]
    texts += [begun + noise(length)[:-1], f"{begun}😀", f"{begun}\uffff", "", noise(length, 2)]
    for number, value in enumerate(texts):
        engines.write(f"t{number}", status=value, **dict.fromkeys(members, value))
    for to_rev in (5, engines.rev):
        engines.fold(to_rev)
        for member in (*members, "status"):
            for descending in (False, True):
                order = f"-{member}" if descending else member
                key = sorted(
                    ((value, f"t{number}") for number, value in enumerate(texts)),
                    reverse=descending,
                )
                assert selected(engines, {}, order) == [one for _, one in key]
            for number, value in enumerate(texts[:6]):
                assert selected(engines, {member: [value]}) == [f"t{number}"]
    check(engines)
    users = engines.same(lambda database: database.count_by_user(texts, texts))
    assert users == {value: 1 for value in texts if value}


def test_numbers_above_two_to_the_31st(engines: Engines) -> None:
    """Revs, owners, checksums, the numbers of acts, and what an act stands for."""
    engines.rev = engines.folded_rev = 2**40
    for number in range(20):
        engines.write(f"t{number}", odd=number)
    engines.append([engines.made(f"m{number}", {}) for number in range(30)])
    engines.append(acts=[Act(2**40, AT, "did", "me", "it", 2**40)])
    engines.append(records=[Record("kind", "key", {"of": 2**62}, 2**40 + 100, AT)])
    rows = engines.postgres._writer.execute_sql("SELECT max(crc), max(owner) FROM change")
    crc, owner = rows.fetchone()
    assert crc > 2**31
    assert owner == 2**40
    engines.fold()
    check(engines)
    assert len(selected(engines, {}, "-rev")) == 50
    opened = engines.same(lambda database: database.start()[:2])
    assert opened[0] == 2**40 + 100


def test_texts_are_in_the_order_of_their_code_points(engines: Engines) -> None:
    """Whatever language the server speaks: SQLite compares bytes, as UTF-8 orders them."""
    names = ["a", "A", "b", "B", "_", "-", "é", "e\u0301", "é", "ß", "ss", "Ω", "Ω", "ﬁ", "\u0301"]
    names += [
        "😀",
        "\uffff",
        "\ue000",
        "报",
        "告",
        " a",
        "a ",
        "a\t",
        "\x01",
        "\x7f",
        "1",
        "10",
        "9",
    ]
    names = sorted(set(names), key=lambda one: hash(one))
    for number, name in enumerate(names):
        made = dict.fromkeys(INDEXED, name)
        engines.write(f"{name if name.isprintable() else 'odd'}{number}", **made)
    engines.fold()
    check(engines)
    for member in INDEXED:
        told = bodies(engines)
        ordered = [told[one][member] for one in selected(engines, {}, member)]
        assert ordered == sorted(names)
        assert [told[one][member] for one in selected(engines, {}, f"-{member}")] == ordered[::-1]
    assert selected(engines, {}, "id") == sorted(engines.known)


@pytest.mark.parametrize(
    "value",
    [
        *("%", "%%", "%s", "%(user)s", ":user", ":me", "::text", "?", "??", "$1", "{}", "{rev}"),
        *("\\", "\\\\", "\\.", "\\N", "\\n", "'", "''", '"', '""', "'; DROP TABLE task; --"),
        *("NULL", "null", "\\x00", "E'\\x'", "\t", "\n", "\r\n", "\x01", "\x7f", "\x85", "\u2028"),
        *("\ufeff", "\ufffd", "\uffff", "\U0010ffff", "a,b", "{a,b}", '{"a":1}', "[1]", "--", "/*"),
    ],
)
def test_what_means_something_to_a_statement(engines: Engines, value: str) -> None:
    """Parameters, quotes, escapes, and what COPY ends and empties a value by."""
    made = {**dict.fromkeys((*INDEXED, "status", "description"), value), value: {value: [value]}}
    engines.write("t1", **made)
    engines.append([engines.made(f"m{number}", made) for number in range(20)])
    engines.append(acts=[Act(1, AT, value, value, value, 1)])
    engines.append(records=[Record(value, value, {value: value}, 22, AT)])
    engines.append(records=[Record("kind", value, None, 23, AT)])
    engines.fold()
    check(engines)
    assert {told[value][value][0] for told in bodies(engines).values()} == {value}
    for member in (*INDEXED, "status"):
        assert len(selected(engines, {member: [value, "other"]}, member)) == 21
    assert len(selected(engines, {}, "id", value)) == 21


def test_times_that_are_no_numbers_are_refused(engines: Engines) -> None:
    """The door refuses them, in JSON as well; the least and the most are kept as they are."""
    for odd in (float("nan"), float("inf"), -0.0, 0, 1e308, True, "5", 2**63):
        with pytest.raises(BadRequest):
            Register.parse({"id": "t", "name": "n", "heartbeat_timeout": odd})
    for text in (b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e400}', b'{"a":9223372036854775808}'):
        with pytest.raises(BadRequest):
            strictjson.loads(text)
    for number, fit in enumerate((0.5, 1, 1.0, 86_400, 1 / 3 + 1)):
        engines.write(f"t{number}", status="running", heartbeat_timeout=fit)
    engines.fold()
    check(engines)
    live = engines.same(lambda database: sorted(database.start().live))
    assert [timeout for _, timeout in live] == [0.5, 1, 1.0, 86_400, 1 / 3 + 1]


def test_numbers_in_unknown_members(engines: Engines) -> None:
    """To the byte: no engine reads a number of a body."""
    odd = [2**63 - 1, -(2**63), 2**53 + 1, -0.0, 0.0, 1e308, -1e308, 5e-324, 0.1, 1e16, 1.0, 1e22]
    for number, value in enumerate(odd):
        engines.write(f"t{number}", odd=value, priority=value, reason=value)
    engines.fold()
    check(engines)
    told = bodies(engines)
    assert [repr(told[f"t{number}"]["odd"]) for number in range(len(odd))] == list(map(repr, odd))
    assert selected(engines, {}, "-priority") == sorted(engines.known, reverse=True)


def test_half_a_character_is_refused_at_the_door() -> None:
    """A lone surrogate is in no JSON that is taken, so no engine sees one."""
    for text in (
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00x"}',
        b'{"\\udfff":1}',
        b'{"a":"\xed\xa0\x80"}',
    ):
        with pytest.raises(BadRequest):
            strictjson.loads(text)


def test_texts_of_a_megabyte(engines: Engines) -> None:
    """A page ends where its bytes do, and a slice of the fold takes them in pieces."""
    for number in range(6):
        engines.write(f"t{number}", description=noise(350_000, number), odd="x" * (1 << 20))
    engines.fold()
    check(engines)
    assert selected(engines, {}, "-rev") == [f"t{number}" for number in reversed(range(6))]
    page = engines.same(lambda database: database.changes(0, 100))
    assert len(page) < 6


def test_labels_that_become_longer_by_being_compared(engines: Engines) -> None:
    """Of 32 characters each becomes up to 18."""
    long = "ﷺ" * 32
    identifier = noise(128)
    engines.write(identifier, labels=[long, "ﬁ" * 32, "a\0b", "İ" * 32], status="running")
    engines.write("t2", labels=[long.replace("ﷺ", "صلى الله عليه وسلم")[:32], "A", "Ａ"])
    engines.fold()
    engines.same(lambda database: everything(database, sorted(engines.known)))
    assert selected(engines, {"labels": [long]}) == [identifier]
    assert selected(engines, {"labels": ["fi" * 16]}) == []
    assert selected(engines, {"labels": ["a"]}) == ["t2"]
    assert set(selected(engines, {})) == {identifier, "t2"}


def test_keys_of_records_as_long_as_they_may_be(engines: Engines) -> None:
    """A service's URL of 512 characters is its key, and in a row of an index."""
    widest = "https://" + "".join(
        chr(one) for one in random.Random(7).choices(range(0x10000, 0x10FFFF), k=504)
    )
    for rev, key in enumerate((noise(512), widest, ""), 1):
        engines.append(records=[Record("service", key, {"url": key, "odd": "\0%s"}, rev, AT)])
        engines.append(records=[Record("service", key, {"url": key, "n": 2}, rev + 10, AT)])
    check(engines)
    records = engines.same(lambda database: sorted(database.start().records, key=repr))
    assert {one.key for one in records} == {noise(512), widest, ""}


@pytest.mark.parametrize(
    "who", ["x" * 100_000, noise(100_000), "\x01\x7f\\'\"%s:me?", "", "😀\uffff"]
)
def test_acts_of_whoever_types_what_he_likes(engines: Engines, who: str) -> None:
    """A name that was typed at the sign-in stands in the audit."""
    engines.append(acts=[Act(0, AT, "refused", who, who, 1), Act(0, AT, "refused", "other", "", 2)])
    check(engines)
    audit = engines.same(lambda database: acts_of(database))
    assert [act.who for act in audit] == ["other", who]


def acts_of(database: Database) -> list[Any]:
    from taskdash_protocol.families.operators import Audit

    return list(database.audit(Audit.parse({}), 1 << 20).entries)
