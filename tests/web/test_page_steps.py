"""The page offers the acts that the daemon allows, for everybody and in every state."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from processes import node

from taskdash_protocol.errors import AuthError, Conflict
from taskdashd.families.people.rules import STATES, STEPS, Standing, step

SCRIPT = """
import { readFileSync } from 'node:fs';
const { actsFor } = await import('./taskdashd/web/static/rules/acts.js');
const cases = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(cases.map(({ task, me }) => actsFor(task, me))));
"""
BY_PEOPLE = [
    one for one in dict.fromkeys(s.act for s in STEPS) if one not in ("expire", "hand over")
]


def cases() -> Iterator[dict[str, Any]]:
    """Give every relation of a person, 1, to a task."""
    people = ("", "1", "2")
    for status, user, checker, by in product((*STATES, "running"), people, people, people):
        task = {"id": "t", "status": status, "user": user, "checker": checker, "group_id": "g"}
        for role, leads in (("worker", []), ("lead", ["g"]), ("lead", ["h"]), ("admin", [])):
            me = {"user": "1", "name": "A", "role": role, "groups": ["g"], "leads": leads}
            yield {"task": {**task, "submitted_by": by}, "me": me}


def allowed(task: dict[str, Any], me: dict[str, Any]) -> list[str]:
    """Give the acts that the daemon's rules let a person do."""
    is_admin = me["role"] == "admin"
    holder = task["user"] == me["user"]
    lead = is_admin or "g" in me["leads"]
    own = me["user"] in (task["user"], task["submitted_by"])
    checks = (task["checker"] == me["user"] if task["checker"] else lead) or is_admin
    standing = Standing(holder, lead, checks and not own, own=own)

    def is_let(act: Any) -> bool:
        try:
            step(act, task, standing)
        except (AuthError, Conflict):
            return False
        return True

    return [act for act in BY_PEOPLE if is_let(act)]


def test_the_page_offers_what_the_daemon_allows() -> None:
    every = list(cases())
    told = node(SCRIPT, every)
    for case, acts in zip(every, told, strict=True):
        assert sorted(acts) == sorted(allowed(**case)), case
