"""A checker of linearizability for one task: was there an order in which all answers are right?

J. M. Wing and C. Gong, "Testing and verifying concurrent objects" (JPDC 17, 1993), with the memory
of visited states of G. Lowe, "Testing for linearizability" (CCPE 29 (4), 2017), as porcupine has
it. Each task is an object of its own, so histories are checked task by task.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["register", "create", "update", "find"]

REFUSED = "refused"
"""The answer was 1001 or 1005: the operation was not done, and tells nothing."""
UNKNOWN = "unknown"
"""No answer came: the operation was done at any time since its start, or not at all."""
ABSENT = "absent"
"""1002: no task has that id."""
EXISTS = "exists"
"""1004: the task was there already."""
DONE = "done"


@dataclass(slots=True)
class Operation:
    """One client's operation on a task, and its answer. `value` is unique to each write."""

    kind: Kind
    value: str | None
    start: float
    end: float = math.inf
    outcome: str = UNKNOWN
    """One of the constants above; the value, for a find that found the task."""


State = str | None
"""The task's value; None where there is no task."""


def _step(state: State, operation: Operation) -> tuple[bool, State]:
    """Tell whether an operation can have had its outcome in a state, and the state after it."""
    kind, outcome, value = operation.kind, operation.outcome, operation.value
    if kind == "find":
        return outcome == (ABSENT if state is None else state), state
    if kind == "register":
        return outcome in (DONE, UNKNOWN), value
    there = state is not None
    happens = there if kind == "update" else not there
    if outcome == UNKNOWN:
        return happens, value
    if happens:
        return outcome == DONE, value
    return outcome == (ABSENT if kind == "update" else EXISTS), state


def is_linearizable(history: Sequence[Operation]) -> bool:
    """Tell whether the operations on one task, which was absent at first, can be put in an order.

    Each operation takes effect at one moment between its start and its end.
    """
    operations = sorted(
        (
            one
            for one in history
            # Leave out refused operations and finds without an answer: they tell nothing.
            if one.outcome != REFUSED and not (one.kind == "find" and one.outcome == UNKNOWN)
        ),
        key=lambda one: one.start,
    )
    must = sum(1 << number for number, one in enumerate(operations) if one.outcome != UNKNOWN)
    seen: set[tuple[int, State]] = set()
    stack: list[tuple[int, State]] = [(0, None)]
    while stack:
        done, state = stack.pop()
        if done & must == must:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        stack += _next(operations, done, state)
    return False


def _next(operations: Sequence[Operation], done: int, state: State) -> list[tuple[int, State]]:
    """Give the states that one more operation leads to: one that began before any other ended."""
    found: list[tuple[int, State]] = []
    first_end = math.inf
    # Start at the lowest bit of `done` that is 0: most of a long history is done.
    for number in range((~done & (done + 1)).bit_length() - 1, len(operations)):
        one = operations[number]
        if one.start > first_end:
            break
        if done >> number & 1:
            continue
        first_end = min(first_end, one.end)
        possible, after = _step(state, one)
        if possible:
            found.append((done | 1 << number, after))
    return found
