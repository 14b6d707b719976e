"""Requests about people, and about the tasks that people do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from taskdash_protocol import typed
from taskdash_protocol.errors import BadRequest
from taskdash_protocol.families.calendars import NAME as CALENDAR
from taskdash_protocol.families.calendars import NAME_CHARACTERS_MAX as CALENDAR_CHARACTERS_MAX
from taskdash_protocol.fields import LABEL_CHARACTERS_MAX, LABELS_MAX, TASK_FIELDS
from taskdash_protocol.readers import (
    ID_CHARACTERS_MAX,
    boolean,
    check_string,
    declare,
    integer,
    number,
    task_id,
    text,
    texts,
    too_long,
)
from taskdash_protocol.request import AboutTypedTask, Reader, Request, reader_of

PERSON_CHARACTERS_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 64
WORD_CHARACTERS_MAX: Final = 500
PASSWORD_CHARACTERS_MAX: Final = 256
GROUPS_MAX: Final = 64
HANDED_TO_MAX: Final = 100
CANCELLED_MAX: Final = 1000
NAMED_BY_MAX: Final = 500
"""Tasks in one Names."""
CLAIM_LIMIT_MAX_S: Final = 366 * 86400.0
_NUMBER: Final = (r"[\w.@+-]+", "letters, digits and any of . @ + - _")
ROLES: Final = ("worker", "lead", "admin")


def _number(meaning: str, *, empty: bool = False, **kwargs: Any) -> Any:
    """Declare a person's number that may be a new one."""
    return _of_person(meaning, _NUMBER, empty=empty, **kwargs)


def _of_person(
    meaning: str, words: tuple[str, str] | None = None, *, empty: bool = True, **kwargs: Any
) -> Any:
    one = reader_of(text(meaning, characters_max=PERSON_CHARACTERS_MAX, empty=empty, words=words))

    def read(name: str, value: Any) -> str:
        try:
            # Leave it as it is typed: an account from before numbers were folded may be called so.
            return str(one.read(name, value))
        except BadRequest:
            given = _folded(name, value, PERSON_CHARACTERS_MAX, typed.number)
        try:
            return str(one.read(name, given))
        except BadRequest as fault:
            raise fault if fault.cause else fault.because("no-number", field=name) from None

    return declare(Reader(meaning, read, one.schema), **kwargs)


def check_new_number(number: str) -> None:
    """Raise `BadRequest` unless an account may have this number, which `typed.number` gave."""
    reader_of(_number("")).read("user", number)


def _name(meaning: str, *, empty: bool = True, **kwargs: Any) -> Any:
    one = reader_of(text(meaning, characters_max=NAME_CHARACTERS_MAX, empty=empty))

    def read(name: str, value: Any) -> str:
        given = _folded(name, value, NAME_CHARACTERS_MAX, typed.name)
        # Nothing but blanks is for the operation to refuse, which knows whether it needs a name.
        return "" if value and not given else str(one.read(name, given))

    return declare(Reader(meaning, read, one.schema), **kwargs)


def _folded(name: str, value: Any, characters_max: int, fold: Callable[[str], str]) -> str:
    """Fold what was typed, if it is short; NFKC may still make one character into eighteen."""
    given = check_string(name, value)
    if len(given) > characters_max:
        raise too_long(name, characters_max)
    return fold(given)


def _task() -> Any:
    return text(TASK_FIELDS["id"], characters_max=128, empty=False)


def as_user() -> Any:
    """Declare the field that names the person in whose name an act is done."""
    meaning = "Who does it, where a service or an operator asks for somebody."
    return _number(meaning, empty=True, default="")


def a_word(meaning: str) -> Any:
    """Declare a field that is a word of who does something."""
    return text(meaning, characters_max=WORD_CHARACTERS_MAX, default="")


def _labels(meaning: str) -> Any:
    one = reader_of(text(meaning, characters_max=LABEL_CHARACTERS_MAX, empty=False))

    def read(name: str, value: Any) -> str:
        given = _folded(name, value, LABEL_CHARACTERS_MAX, typed.name)
        if not given:
            fault = BadRequest(f"field {name} must not be blank")
            raise fault.because("blank", field=name)
        return str(one.read(name, given))

    of = declare(Reader(meaning, read, one.schema))
    return texts(meaning, of=of, many_max=LABELS_MAX, too_many="too-many-labels", default=())


def _rev(meaning: str) -> Any:
    return integer(meaning, low=0, must="be a rev: an integer of at least 0", default=None)


def _groups(meaning: str) -> Any:
    return texts(
        meaning,
        characters_max=128,
        many_max=GROUPS_MAX,
        too_many="too-many-groups",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Login(Request):
    """Sign a person in; where people may, the first time makes their account."""

    request_id = "Login"
    signs_in = "person"
    sets_cookie = True

    user: str = _number("Employee number.")
    name: str = _name("What people call them; the first time.", default="")
    password: str = text(
        "Where passwords are asked for.", characters_max=PASSWORD_CHARACTERS_MAX, default=""
    )
    confirm: str = text(
        "What the warning about another address gave: go on all the same.",
        characters_max=256,
        default="",
    )


@dataclass(frozen=True, slots=True)
class Logout(Request):
    """End what `Login` has begun, here or everywhere."""

    request_id = "Logout"
    sets_cookie = True

    everywhere: bool = boolean("Also in every other browser.", default=False)
    user: str = _of_person("Whom, where an admin asks.", default="")


@dataclass(frozen=True, slots=True)
class People(Request):
    """Ask for the people that one may see."""

    request_id = "People"


@dataclass(frozen=True, slots=True)
class Names(Request):
    """Ask what those are called whom tasks name: also those whom one does not see otherwise.

    Reply: `names`, an object of names by employee number: of the `user`, `checker`, `submitted_by`,
    `freed_from` and `acknowledged.by` of those tasks that one sees; with `history` also of what
    the newest thousand changes of one task have changed, as far as Audit shows them.
    """

    request_id = "Names"

    ids: tuple[str, ...] = texts(
        "The ids of the tasks.",
        characters_max=ID_CHARACTERS_MAX,
        many_min=1,
        many_max=NAMED_BY_MAX,
    )
    history: bool = boolean("Also whom its history names, of one task.", default=False)


@dataclass(frozen=True, slots=True)
class SetPerson(Request):
    """Make or change a person's account: an admin anybody's, everybody some of their own.

    What is left out stays.
    """

    request_id = "SetPerson"

    user: str = _number("Employee number.")
    name: str | None = _name("What people call them.", empty=False, default=None)
    role: str | None = text("worker, lead or admin.", characters_max=6, one_of=ROLES, default=None)
    groups: tuple[str, ...] | None = _groups("The groups that they are in.")
    leads: tuple[str, ...] | None = _groups("Those of their groups that a lead leads.")
    active: bool | None = boolean("false: they may not sign in.", default=None)
    calendar: str | None = text(
        "The calendar that says when they work; empty: the office's.",
        characters_max=CALENDAR_CHARACTERS_MAX,
        words=CALENDAR,
        default=None,
    )
    password: str | None = text(
        "The new one; empty removes it.", characters_max=PASSWORD_CHARACTERS_MAX, default=None
    )
    old_password: str = text(
        "Theirs so far, where it is not an admin who changes it.",
        characters_max=PASSWORD_CHARACTERS_MAX,
        default="",
    )
    read_to: int | None = _rev(
        "A rev: what came to them up to it counts as seen, and leaves `returned` of Next."
    )
    new: bool = boolean("Only if nobody has an account of this number.", default=False)
    base: int | None = _rev(
        "A rev, as of which one knows the account: only if it has not changed since."
    )


@dataclass(frozen=True, slots=True)
class Next(Request):
    """Ask for what waits for a person: what they have, are to check, and what came to them."""

    request_id = "Next"

    user: str = _number("Whose; one's own where it is left out.", empty=True, default="")


@dataclass(frozen=True, slots=True)
class Claim(AboutTypedTask):
    """Take a task that nobody has."""

    request_id = "Claim"

    id: str = _task()
    user: str = as_user()
    limit: float | None = number(
        "Seconds, after which it is free again unless it was submitted.",
        1,
        CLAIM_LIMIT_MAX_S,
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Begin(AboutTypedTask):
    """Say that work on a task that one has claimed has begun."""

    request_id = "Begin"

    id: str = _task()
    user: str = as_user()


@dataclass(frozen=True, slots=True)
class Release(AboutTypedTask):
    """Give a task back, for anybody to claim."""

    request_id = "Release"

    id: str = _task()
    user: str = as_user()
    word: str = a_word("Why.")


@dataclass(frozen=True, slots=True)
class Assign(AboutTypedTask):
    """Give a task to somebody, whoever has it now: a lead of its group."""

    request_id = "Assign"

    id: str = _task()
    to: str = _number("Who gets it.")
    user: str = as_user()
    word: str = a_word("A word to them.")
    limit: float | None = number("As in Claim.", 1, CLAIM_LIMIT_MAX_S, default=None)


@dataclass(frozen=True, slots=True)
class Submit(AboutTypedTask):
    """Hand the work in, to be checked."""

    request_id = "Submit"

    id: str = _task()
    user: str = as_user()
    checker: str = _of_person(
        "Who is to check it; without one who is named, a lead of its group.", default=""
    )
    word: str = a_word("A word to them.")


@dataclass(frozen=True, slots=True)
class Approve(AboutTypedTask):
    """Find submitted work good: the task is finished."""

    request_id = "Approve"

    id: str = _task()
    user: str = as_user()
    word: str = a_word("A word on it.")


@dataclass(frozen=True, slots=True)
class Reject(AboutTypedTask):
    """Give submitted work back to who did it, with the reason."""

    request_id = "Reject"

    id: str = _task()
    reason: str = text("What is to be done.", characters_max=WORD_CHARACTERS_MAX, empty=False)
    user: str = as_user()


@dataclass(frozen=True, slots=True)
class SetLabels(AboutTypedTask):
    """Give a task labels, short words by which it is found, or take some away.

    Who may claim it or has it may, a lead of its group, and a service that may write it. Two labels
    that are equal to the eye but for case are one.

    Reply: `id`, `epoch`, `rev` and `labels`, all that it has. 1004: it would have too many.
    """

    request_id = "SetLabels"

    id: str = _task()
    add: tuple[str, ...] = _labels("Those that it gets.")
    remove: tuple[str, ...] = _labels("Those that it loses.")


@dataclass(frozen=True, slots=True)
class Cancel(Request):
    """End tasks that nobody needs any more, whoever has them: also what died or failed.

    A service cancels what it may write, somebody who has a task the parts of it, a lead what is in
    the groups that they lead, an admin everything. A program that runs is not stopped by it.

    Reply: `cancelled`, the ids of those that were, in one commit; and `left`, a list of `id`,
    `why`, `cause` and `values`: what is finished or cancelled already, what one may not cancel, and
    what is not there.
    """

    request_id = "Cancel"

    ids: tuple[str, ...] = texts("Which tasks.", of=task_id(), many_min=1, many_max=CANCELLED_MAX)
    word: str = a_word("Why.")


@dataclass(frozen=True, slots=True)
class Handover(Request):
    """Give all that somebody holds or is to check to others, in one act."""

    request_id = "Handover"

    of: str = _number("Whose tasks.")
    to: tuple[str, ...] = texts(
        "Who gets them: each the next, whoever has the fewest first.",
        of=_of_person("", empty=False),
        many_min=1,
        many_max=HANDED_TO_MAX,
    )
    user: str = as_user()
    word: str = a_word("Why: leave, illness.")
