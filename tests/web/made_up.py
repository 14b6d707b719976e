"""A made-up day in an office, the same each time to the second: what the pictures show."""

import os
import random
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from office import CLAIMED, EDITING, FREE, REVIEW, Office, furnish

from taskdashd.domain.times import stamp
from taskdashd.families.figures.rules.day import BUCKET_S, DAY_S, EVENTS, ONES, STATES
from taskdashd.store.database import Database
from taskdashd.store.records import Record

NOW = datetime(2026, 3, 10, 15, 29, tzinfo=UTC)
STEP_S = 18
"""The time from one act to the next: all are in a quarter of an hour, as there is a gap in the
figures where no daemon was there to count."""
ACTS_MAX = 45
CLOCKED = Path(__file__).parent / "clocked.py"


class MadeUpOffice(Office):
    """An office whose clock goes on from act to act only, and at last stands still."""

    client = "office"

    def __init__(self, directory: Path) -> None:
        data, self._clock = directory / "data", directory / "clock"
        data.mkdir()
        self._clock.touch()
        self._at = NOW.timestamp() - ACTS_MAX * STEP_S
        self._set(self._at)
        prepare(data)
        command = (sys.executable, "-P", str(CLOCKED), str(self._clock))
        # No silence is too long for what never beats.
        super().__init__(data, command=command, heartbeat_timeout=3600)
        furnish(self)
        assert self._at < NOW.timestamp(), "more acts than there is time for"
        self._set(NOW.timestamp())

    def ask(self, operation: str, **body: Any) -> dict[str, Any]:
        self._at += STEP_S
        self._set(self._at)
        return super().ask(operation, **body)

    def _set(self, at: float) -> None:
        os.utime(self._clock, (at, at))


def in_record(names: Sequence[str], counts: Mapping[str, int]) -> str:
    """Give counts as the records of the day hold them."""
    return f"{sum(ONES[names.index(name)] * count for name, count in counts.items()):x}"


def a_day(now: float) -> list[Record]:
    """Make the figures of a day in an office: people come at eight, and a service dies at noon."""
    chance = random.Random(7)
    records = []
    for number in range(int((now - DAY_S) // BUCKET_S) + 1, int(now // BUCKET_S) + 1):
        hour = number * BUCKET_S % DAY_S // 3600
        busy = 8 <= hour < 18
        states = {
            "live": 3 + chance.randrange(3) + 4 * busy,
            FREE: 4 + chance.randrange(4),
            CLAIMED: busy * chance.randrange(1, 4),
            EDITING: busy * chance.randrange(2, 6),
            REVIEW: busy * chance.randrange(3),
        }
        events = {
            "claimed": busy * chance.randrange(4),
            "finished": busy * chance.randrange(3),
            "died": 3 if hour == 12 else int(chance.random() < 0.05),
            "recovered": 3 if hour == 13 else 0,
        }
        tasks = in_record(STATES, states)
        happened = in_record(EVENTS, events)
        about = {"at": number * BUCKET_S, "tasks": tasks, "events": happened}
        about["groups"] = {"cut": [tasks, happened]}
        records.append(Record("figures", f"{number}", about))
    durations = {
        "claims": [[now, "cut", chance.uniform(60, 1500)] for _ in range(30)],
        "finished": [[now, "cut", chance.uniform(900, 9000)] for _ in range(30)],
    }
    return [*records, Record("figures", "day", durations)]


def prepare(data: Path) -> None:
    """Store the figures of a past day, before the daemon starts."""
    now = NOW.timestamp()
    database = Database.open(data)
    database.start()
    services = []
    for name, host, before in (
        ("Cutter", "7", [(20, "alive"), (5, "late"), (4.9, "dead"), (4.2, "alive")]),
        ("Renderer", "8", [(23, "alive")]),
        ("Archive", "9", [(23, "alive"), (9, "late"), (8.9, "dead")]),
    ):
        url = f"http://10.0.0.{host}:8080"
        changes = [[stamp(now - hours * 3600), state] for hours, state in before]
        about = {
            "url": url,
            "name": name,
            "reserved": "",
            "group_id": "cut",
            "timeout_s": None,
            "serial": 0,
            "connected": True,
            "registered_at": changes[0][0],
        }
        services.append(Record("service", url, {**about, "changes": changes}))
    database.append((), (), [*services, *a_day(now)])
    database.close()
