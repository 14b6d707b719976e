"""A data directory as an office has it after years, made in bulk: a million tasks in some minutes.

95 of 100 tasks are ended runs of services, in 200 groups and 50 projects of which few have most;
the rest are people's, many of them parts of others. Texts are English and Chinese, some long.
"""

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import apsw

from taskdash_protocol import strictjson
from taskdash_protocol.fields import TASK_FIELDS
from taskdashd.domain.times import stamp
from taskdashd.store.database import Database
from taskdashd.store.dialect import rows as stored
from taskdashd.store.dialect.sqlite.engine import DATABASE_NAME

GROUPS: Final = [f"group-{number:03}" for number in range(200)]
PROJECTS: Final = [f"project-{number:02}" for number in range(50)]
PEOPLE: Final = [f"{number}" for number in range(10_001, 10_501)]
SERVICES: Final = [f"http://10.0.{number // 250}.{number % 250}:8080/run" for number in range(400)]
SURNAMES: Final = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
RARE: Final = "zirconium"
"""A word that stands in the oldest task alone."""
RARE_CHINESE: Final = "饕餮"
"""As `RARE`, of two characters."""
OLD: Final = "millennium"
"""A word that all of the oldest half have, and no other."""
ODD: Final = "cinnamon"
EVEN: Final = "pineapple"
"""Every task has one of these words, and none has both."""
LABEL: Final = "urgent"
"""One of fifty tasks has it."""
_ENGLISH_TEXT: Final = """
render frame check disk backup nightly sync upload convert texture shadow light camera
scene shot take audio mix master report invoice order customer delivery packing label
print scan archive mirror index rebuild verify measure sensor valve pump kiln glaze batch
mould cast polish drill press weld paint
"""
_WORDS: Final = _ENGLISH_TEXT.split()
_CHINESE_TEXT: Final = """
报告 渲染 检查 备份 上传 镜头 灯光 材质 场景 交付 审核 修改 打印 扫描 归档
订单 客户 发票 测量 温度 压力 模具 抛光 焊接 喷漆 装配 质检 入库 出库 盘点
"""
_CHINESE: Final = _CHINESE_TEXT.split()
_ENDED: Final = (*["finish"] * 180, *["failed"] * 12, *["shutdown"] * 5, *["cancelled"] * 3)
_PEOPLES: Final = (
    *["finish"] * 80,
    "待领取",
    "已领取",
    "编辑中",
    "待审核",
    "pending",
    "草稿",
    "待触发",
)
COLUMNS: Final = ", ".join(stored.COLUMNS)
_BEGAN: Final = 1_700_000_000.0
_APART_S: Final = 30.0


def skewed(chance: random.Random, of: list[str]) -> str:
    """Choose one, the first far more often than the last."""
    return of[int(len(of) * chance.random() ** 3)]


def text(chance: random.Random) -> str:
    """Write a description: mostly a line, sometimes a page."""
    count = chance.choice((4, 6, 8, 8, 10, 12, 15, 60 if chance.random() < 0.2 else 8))
    if chance.random() < 0.3:
        return "".join(chance.choice(_CHINESE) for _ in range(count)) + f"{chance.randrange(10**5)}"
    return " ".join(chance.choice(_WORDS) for _ in range(count)) + f" {chance.randrange(10**5)}"


def fields(number: int, count: int, chance: random.Random) -> dict[str, Any]:
    """Make one task's fields."""
    group = skewed(chance, GROUPS)
    made: dict[str, Any] = dict.fromkeys(TASK_FIELDS, "")
    made["group_id"], made["project_id"] = group, skewed(chance, PROJECTS)
    made["description"] = f"{text(chance)} {EVEN if number % 2 == 0 else ODD}"
    if number < count // 2:
        made["description"] += f" {OLD}"
    if number % 50 == 0:
        made["labels"] = [LABEL]
    if number % 3 == 0:
        made["priority"] = number // 3 % 10
    if number == 0:
        made["description"] += f" {RARE} 写着{RARE_CHINESE}二字"
    if number % 20:
        made["id"] = f"{chance.choice(_WORDS)}-{number * 7919 % count:07}"
        made["name"] = f"{chance.choice(_WORDS)} {chance.randrange(1000)}"
        made["url"] = skewed(chance, SERVICES)
        made["status"] = chance.choice(_ENDED) if number < count - 3_000 else "running"
        if chance.random() < 0.2:
            # A batch of two hundred runs, and some with ten thousand.
            batch = number // 200 if number % 1000 < 900 else 10**6 + number // 100_000
            made["parent_id"] = f"batch-{batch}"
        return made
    made["id"] = f"desk-{number * 7919 % count:07}"
    made["name"] = "".join(chance.choice(_CHINESE) for _ in range(3))
    made["status"] = chance.choice(_PEOPLES)
    if made["status"] not in ("待领取", "pending", "草稿", "待触发"):
        made["user"] = skewed(chance, PEOPLE)
    if chance.random() < 0.5:
        made["checker"] = skewed(chance, PEOPLE)
    if chance.random() < 0.6:
        made["parent_id"] = f"desk-{max(0, number - number % 400) * 7919 % count:07}"
    if chance.random() < 0.2:
        made["reason"] = text(chance)
    return made


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Make the log: the last change of each task."""
    chance = random.Random(1)
    for number in range(count):
        made = fields(number, count, chance)
        at = stamp(_BEGAN + number * _APART_S)
        rev = number + 1
        created = stamp(_BEGAN + number * _APART_S - chance.expovariate(1 / 600))
        made |= {"rev": rev, "epoch": 1, "created_at": created, "updated_at": at, "shutdown_at": ""}
        made |= {"status_before_shutdown": "", "last_seen": at}
        body = strictjson.dumps(made)
        kind = int(number % 20 == 0)
        yield (
            rev,
            0,
            "updated",
            at,
            "",
            made["id"],
            1,
            "bench",
            "",
            body.decode(),
            crc32(body),
            kind,
        )


def people() -> Iterator[tuple[str, str, int]]:
    """Make the rows of people's records: key, value and checksum."""
    for number, person in enumerate(PEOPLE):
        value = strictjson.dumps(name_of(number, person))
        yield person, value.decode(), crc32(value)


def make(directory: Path, count: int) -> None:
    """Fill a data directory with a log; the next start makes the rest from it."""
    directory.mkdir(parents=True, exist_ok=True)
    Database.open(directory).close()
    with closing(apsw.Connection(str(directory / DATABASE_NAME))) as database:
        database.execute("PRAGMA synchronous = OFF")
        with database:
            database.executemany(
                f"INSERT INTO change ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", rows(count)
            )
            database.executemany(
                "INSERT INTO record (kind, key, value, crc, rev, removed_at)"
                " VALUES ('person', ?, ?, ?, 1, '')",
                people(),
            )


def make_on(store: str, directory: Path, count: int) -> None:
    """Fill a database of PostgreSQL as `make` fills a data directory."""
    # Fetched here: the other benches need no psycopg.
    import psycopg

    directory.mkdir(parents=True, exist_ok=True)
    Database.open(directory, store=store).close()
    with psycopg.connect(store) as database, database.cursor() as cursor:
        with cursor.copy(f"COPY taskdash.change ({COLUMNS}) FROM STDIN") as copy:
            for row in rows(count):
                copy.write_row(row)
        with cursor.copy(
            "COPY taskdash.record (kind, key, value, crc, rev, removed_at) FROM STDIN"
        ) as copy:
            for key, value, crc in people():
                copy.write_row(("person", key, value, crc, 1, ""))
        cursor.execute("UPDATE taskdash.state SET rev = %s", (count,))


def name_of(number: int, person: str) -> dict[str, Any]:
    """Make a person's record."""
    name = SURNAMES[number % len(SURNAMES)] + "小明" + SURNAMES[number // len(SURNAMES) % 20]
    return {
        "id": person,
        "name": name,
        "role": "worker",
        "groups": [],
        "leads": [],
        "active": True,
        "password": "",
        "made_at": "",
        "address": "",
        "signed_in_at": "",
        "signed_in": [],
    }
