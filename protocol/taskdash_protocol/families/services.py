"""Requests about task services, about what has died, and the figures of the day."""

from dataclasses import dataclass
from typing import Any, Final

from taskdash_protocol.families.people import a_word, as_user
from taskdash_protocol.fields import TASK_FIELDS
from taskdash_protocol.readers import boolean, number, text, url
from taskdash_protocol.request import AboutTypedTask, Request

RESERVED_CHARACTERS_MAX: Final = 512


def _reserved() -> Any:
    return text(
        "The service's own words; kept.", characters_max=RESERVED_CHARACTERS_MAX, default=""
    )


@dataclass(frozen=True, slots=True)
class RegisterService(Request):
    """Say that a service is there. Its URL is its key; a retry is harmless."""

    request_id = "RegisterService"

    url: str = url("Where it can be reached.")
    name: str = text("What people call it.", characters_max=128, default="")
    reserved: str = _reserved()
    group_id: str = text("The group it works for.", characters_max=128, default="")
    heartbeat_timeout: float | None = number(
        "After so many seconds of silence it is dead.", 0.5, 86400, default=None
    )
    fetch: bool = boolean("Fetch its tasks from its URL now.", default=False)


@dataclass(frozen=True, slots=True)
class ServiceBeat(Request):
    """Say that a service lives, and the tasks with it that it registered without a connection."""

    request_id = "ServiceBeat"

    url: str = url("Which service.")
    time: float | None = number(
        "Its own clock, Unix seconds; shown, and trusted for nothing.",
        -(2.0**63),
        2.0**63,
        default=None,
    )
    reserved: str = _reserved()


@dataclass(frozen=True, slots=True)
class Services(Request):
    """Ask for the services that one may see, and how they fare."""

    request_id = "Services"


@dataclass(frozen=True, slots=True)
class FetchTasks(Request):
    """Have the daemon ask a service for its tasks, by GET, or for one of them, by POST."""

    request_id = "FetchTasks"

    url: str = url("A registered service's.")
    id: str = text("Only this task.", characters_max=128, default="")


@dataclass(frozen=True, slots=True)
class Acknowledge(AboutTypedTask):
    """Say that one has seen that a task died or failed, or that a service is dead.

    Reply: `id`, `epoch` and `rev`, or `url`; and `acknowledged`: `by` (an employee number, or what
    a token is called), `at`, `word` and `hide`. The task or service keeps it until its status or
    state changes; of two, the later one counts. Whoever sees it may; a service names in `user` for
    whom it asks. 1004: it has neither died nor failed, there is no such service, or not one of `id`
    and `url` is given.
    """

    request_id = "Acknowledge"

    id: str = text(f"{TASK_FIELDS['id']} This, or url.", characters_max=128, default="")
    url: str = url("The service.", default="")
    word: str = a_word("What is to be done about it, or why nothing is.")
    hide: bool = boolean("Boards need not show it any more.", default=False)
    user: str = as_user()

    def task_ids(self) -> tuple[str, ...]:
        """Give the id of the task, if it is about one."""
        return (self.id,) if self.id else ()


@dataclass(frozen=True, slots=True)
class RetireService(Request):
    """Say that a service is not coming back: it is forgotten.

    A lead of its group may, and an admin. One that comes back all the same must register again;
    tasks of its that are live have until their own deadline.

    Reply: `url`. 1003: only a lead. 1004: there is no such service.
    """

    request_id = "RetireService"

    url: str = url("Which service.")


@dataclass(frozen=True, slots=True)
class Figures(Request):
    """Ask how the work of the day goes, in numbers."""

    request_id = "Figures"
