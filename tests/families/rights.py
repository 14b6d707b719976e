"""Who may do what: a small model of it, from which `rights.txt` is derived. No I/O."""

from collections.abc import Iterator
from typing import Final, NamedTuple

DONE, FORMAT, ABSENT, REFUSED, CONFLICT = "+", "0", "2", "3", "4"
"""Done; or the last digit of the errid: 1000, 1002, 1003, 1004."""

EVERYTHING: Final = None


class Who(NamedTuple):
    """Somebody who asks, by what they come with."""

    role: str = ""
    """Of a token or a person; empty for nobody, `anyone` where no token is asked for."""
    groups: frozenset[str] | None = EVERYTHING
    person: str = ""
    token: str = ""
    """The role of the token that a person came with; for a token its own."""
    within: frozenset[str] | None = EVERYTHING
    """The groups of that token."""
    has_password: bool = False

    @property
    def is_operator(self) -> bool:
        return self.role in ("operator", "admin", "anyone")

    @property
    def may_write(self) -> bool:
        return self.is_operator or self.role == "service"

    @property
    def leads(self) -> frozenset[str]:
        return CUT if self.role == "lead" else frozenset()


class Target(NamedTuple):
    """A task, by what rights depend on."""

    group: str = "cut"
    status: str = "free"
    user: str = ""
    fenced: bool = False
    of_service: bool = False
    """Whether it is owned by a service that has no connection."""
    exists: bool = True


CUT: Final = frozenset({"cut"})
CUTTERS: Final = frozenset({"cut", ""})
FOR: Final = "ann"
"""The person whom services and operators name as `user`."""


def _person(name: str, role: str = "worker", **about: object) -> Who:
    return Who(role, CUTTERS, name, **about)  # type: ignore[arg-type]


PEOPLE: Final = {
    "ann": _person("ann"),
    "pat": _person("pat", has_password=True),
    "lea": _person("lea", "lead", has_password=True),
    "eve": Who("worker", frozenset({"paint", ""}), "eve"),
    "root": Who("admin", EVERYTHING, "root", has_password=True),
}
TOKENS: Final = {
    "reader": Who("reader", token="reader"),
    "kiosk": Who("reader", CUT, token="reader"),
    "service": Who("service", token="service"),
    "cutter": Who("service", CUT, token="service"),
    "boss": Who("operator", token="operator"),
    "ping": Who("ping", token="ping"),
}
"""The tokens. Add a role's here, and what it may in the functions below."""


def over(token: str, name: str) -> Who:
    """Give a person who has signed in over a token."""
    bound = TOKENS[token].groups if TOKENS[token].role == "service" else EVERYTHING
    person = PEOPLE[name]
    groups = person.groups if bound is None or person.groups is None else person.groups & bound
    return person._replace(groups=groups, token=TOKENS[token].role, within=bound)


WHO: Final[dict[str, Who]] = {
    "nobody": Who(),
    **TOKENS,
    "local": Who("operator", token="local"),
    "anyone": Who("anyone", token="anyone"),
    **PEOPLE,
    **{f"{name}/{token}": over(token, name) for name, token in (
        ("ann", "service"), ("ann", "cutter"), ("pat", "cutter"), ("lea", "cutter"),
        ("eve", "cutter"), ("ann", "boss"), ("root", "boss"),
    )},
}  # fmt: skip

TARGETS: Final = {
    "free": Target(),
    "elsewhere": Target("paint"),
    "nobodys": Target(""),
    "fenced": Target(status="live", fenced=True),
    "a service's": Target(status="live", fenced=True, of_service=True),
    "taken": Target(status="held", user="bob"),
    "checked": Target(status="review", user="bob"),
    "own": Target("paint", "held", user="me"),
    "died": Target(status="died"),
    "absent": Target(exists=False),
}
ACTS: Final = (
    *("Claim", "Begin", "Release", "Assign", "Submit", "Approve", "Reject", "Acknowledge"),
)
WRITES: Final = ("Register", "Update", "Update aside", "Update by epoch", "Register by epoch")
ON_TASKS: Final = (*WRITES, "Find", "Audit", *ACTS, "Cancel", "SetLabels")
READS: Final = (
    *("Query", "Watch", "People", "Services", "Figures", "Calendars", "Next", "Views", "Names"),
)
LOGINS: Final = {
    "newcomer": "worker",
    "ann": "worker",
    "pat": "worker",
    "bare": "admin",
    "root": "admin",
}
ROWS: Final = (
    *(f"{operation} {target}" for operation in ON_TASKS for target in TARGETS),
    *("Hello", "SignIn", *READS, "Unwatch", "Status", "Audit"),
    *("SetCalendar", "MergeGroups", "Handover"),
    *("RegisterService", "ServiceBeat", "FetchTasks", "Acknowledge service", "RetireService"),
    *("SetView of a group", "SetView oneself"),
    *("SetPerson another", "SetPerson oneself", "SetPerson calendar"),
    *(f"Login {name}" for name in LOGINS),
    *("Logout another", "Logout"),
)
"""All that is asked; Logout comes last: whoever asks is somebody else afterwards."""


def may(row: str, who: Who) -> str:
    """Give the outcome of what somebody asks, on the doors where it can be asked."""
    if who.role == "ping":
        # Such a token signs in nowhere; what it may ping is asked by a path of its own.
        return REFUSED
    if row.startswith("Login "):
        return _login(row.removeprefix("Login "), who)
    if not who.role:
        return REFUSED
    for operation in sorted(ON_TASKS, key=len, reverse=True):
        target = row.removeprefix(f"{operation} ")
        if row.startswith(f"{operation} ") and target in TARGETS:
            return _on_task(operation, who, TARGETS[target])
    return _beside(row, who)


def sees(who: Who, target: Target) -> bool:
    """Tell whether a task exists for somebody; `me` is whoever acts."""
    if not target.exists:
        return False
    if who.is_operator:
        return True
    if who.within is not None and target.group not in who.within:
        return False
    if who.groups is None or target.group in who.groups:
        return True
    return bool(who.person) and target.user == "me"


def _on_task(operation: str, who: Who, target: Target) -> str:
    if operation in ("Find", "Audit"):
        return DONE if sees(who, target) else ABSENT
    if operation == "Cancel":
        return _cancel(who, target)
    if operation == "SetLabels":
        return _label(who, target)
    if operation in ACTS:
        return _act(operation, who, target)
    epoch, aside = operation.endswith("epoch"), operation.endswith("aside")
    if operation.startswith("Update"):
        if not sees(who, target):
            return ABSENT
    elif epoch and not target.exists:
        # An epoch of a task that does not exist.
        return CONFLICT if who.may_write else REFUSED
    if not who.may_write:
        return REFUSED
    if who.role == "service" and who.groups is not None and target.group not in who.groups:
        return REFUSED
    known = who.is_operator and who.role != "anyone"
    return CONFLICT if target.fenced and not (epoch or (aside and known)) else DONE


def _act(operation: str, who: Who, target: Target) -> str:
    if who.role == "reader":
        return REFUSED
    # A service acts with the rights of the person whom it names, within its own.
    actor = who if who.person or who.is_operator else PEOPLE[FOR]
    if not (sees(who, target) and sees(actor, target)):
        return ABSENT
    leads = actor.is_operator or target.group in actor.leads
    holds = target.user == "me"
    if operation == "Acknowledge":
        return DONE if target.status == "died" else CONFLICT
    if operation == "Assign":
        # To ann, who must be known to whoever asks, and in the task's group.
        if who.person == "eve" or target.group == "paint":
            return CONFLICT
        if target.status in ("review", "died"):
            return CONFLICT
        return CONFLICT if target.fenced else DONE if leads else REFUSED
    if operation == "Claim":
        return DONE if target.status == "free" or holds else CONFLICT
    if operation in ("Approve", "Reject"):
        return CONFLICT if target.status != "review" else DONE if leads else REFUSED
    if target.status != "held" or operation == "Begin":
        return CONFLICT
    return DONE if holds or (operation == "Release" and leads) else CONFLICT


def _cancel(who: Who, target: Target) -> str:
    if who.role == "reader":
        return REFUSED
    if not sees(who, target):
        return ABSENT
    if who.person:
        return DONE if who.is_operator or target.group in who.leads else REFUSED
    return CONFLICT if target.fenced and who.role in ("service", "anyone") else DONE


def _label(who: Who, target: Target) -> str:
    if who.role == "reader" or not (who.person and sees(who, target)) or who.is_operator:
        return _cancel(who, target)
    if target.group in who.leads or target.status == "free" or target.user == "me":
        return DONE
    return CONFLICT


def _beside(row: str, who: Who) -> str:
    if row == "Unwatch":
        return FORMAT
    if row == "Next":
        # What waits for somebody: who is no person must say for whom.
        return DONE if who.person else CONFLICT
    if row in ("Hello", "SignIn", *READS):
        return DONE
    allowed = who.is_operator
    if row == "Status":
        allowed |= who.groups is None and not who.person
    elif row in ("RegisterService", "ServiceBeat", "FetchTasks"):
        if row != "RegisterService" and who.person == "eve":
            return CONFLICT
        allowed |= who.role == "service"
    elif row == "Acknowledge service":
        # Whoever sees the service may; it is alive. A service asks for ann, who sees it.
        return REFUSED if who.role == "reader" else CONFLICT
    elif row == "RetireService":
        if who.person == "eve":
            return CONFLICT
        allowed |= bool(who.leads)
    elif row in ("Handover", "SetView of a group"):
        allowed |= bool(who.leads)
    elif row == "SetView oneself":
        return DONE if who.person else CONFLICT
    elif row == "SetPerson oneself":
        allowed |= bool(who.person) and not _is_vouched_for(who)
    elif row == "SetPerson calendar":
        allowed |= bool(who.leads)
    elif row == "Logout":
        return DONE if who.person else CONFLICT
    return DONE if allowed else REFUSED


def _is_vouched_for(who: Who) -> bool:
    """Tell whether a service's token alone says who the person is."""
    return who.token == "service" and not who.has_password


def _login(name: str, who: Who) -> str:
    if who.token == "local":
        return CONFLICT
    if who.token == "reader" or name == "bare":
        return REFUSED
    return REFUSED if who.token == "service" and LOGINS[name] == "admin" else DONE


def table() -> Iterator[str]:
    """Write the table: a column for each identity, by its number, and a line for each row."""
    for number, name in enumerate(WHO):
        yield f"{number:>2} {name}"
    numbers, before = [f"{number:>2}" for number in range(len(WHO))], ""
    for row in ROWS:
        operation = row.partition(" ")[0]
        if operation != before:
            yield from ("", f"{'':<30}{' '.join(numbers)}")
        before = operation
        yield f"{row:<30}{' '.join(f'{may(row, who):>2}' for who in WHO.values())}"
