"""Rows of the change log, as those who follow it read them."""

from typing import NamedTuple

from taskdashd.domain.tasks import Kind


class StoredEvent(NamedTuple):
    """A row of the log, as a watch needs it."""

    rev: int
    kind: Kind
    body: bytes


class StoredStep(NamedTuple):
    """A row of the log with the task before it: empty if the task was new or that row is gone."""

    rev: int
    kind: Kind
    body: bytes
    previous: bytes
