"""Loading tasks and writing to the store, as steps of an operation that waits."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from taskdash_protocol.errors import Busy, Outcome, ServerError
from taskdashd.core.steps import Done, Start, Steps, wait_for
from taskdashd.store.faults import OutcomeUnknown
from taskdashd.store.reader import Reader
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

T = TypeVar("T")


class Store(Protocol):
    """Anything that holds the store's parts: `Core`, `Deaths`, a family's part."""

    @property
    def view(self) -> View:
        """The part of the store that is in memory."""

    @property
    def reader(self) -> Reader:
        """Loads tasks into the view."""

    @property
    def writer(self) -> Writer:
        """Commits changes."""


def load(store: Store, ids: Iterable[str]) -> Steps[None]:
    """Load tasks into memory. Raises `Busy` where they do not fit into it together."""
    wanted = list(ids)
    while not all(map(store.view.knows, wanted)):
        yield from wait_for(partial(store.reader.load, wanted))
        if len(wanted) > 1 and not all(map(store.view.knows, wanted)):
            raise Busy("the tasks do not fit into memory together: make task_cache larger")


def write(store: Store, decide: Callable[[Transaction], T]) -> Steps[T]:
    """Run `decide` and commit; returns once the commit is on disk. Raises what `decide` raises."""
    begin: Start[T] = partial(_begin_write, store, decide)
    return (yield from wait_for(begin))


def _begin_write(store: Store, decide: Callable[[Transaction], T], done: Done[T]) -> None:
    store.writer.write(decide, done)
    store.writer.flush()


def write_together(store: Store, decides: Sequence[Callable[[Transaction], T]]) -> Steps[list[T]]:
    """Run several writes in one step, so that they share a commit; gives what each has decided.

    A commit is taken in write by write, others served in between, where one large write would hold
    them up. Raises the first refusal; with it, other writes may have been done.
    """

    def begin(done: Done[list[T]]) -> None:
        outcomes: list[Outcome[T]] = []

        def one_ended(outcome: Outcome[T]) -> None:
            outcomes.append(outcome)
            if len(outcomes) == len(decides):
                done(_all_of(outcomes))

        for decide in decides:
            store.writer.write(decide, one_ended)
        store.writer.flush()

    return (yield from wait_for(begin)) if decides else []


def _all_of(outcomes: Sequence[Outcome[T]]) -> Outcome[list[T]]:
    if unknown := [one for one in outcomes if isinstance(one, OutcomeUnknown)]:
        # A refusal beside it would say of all that nothing was done.
        return unknown[0]
    values: list[T] = []
    for outcome in outcomes:
        if isinstance(outcome, ServerError):
            return outcome
        values.append(outcome)
    return values


def load_and_write(
    store: Store, ids: Iterable[str], decide: Callable[[Transaction], T]
) -> Steps[T]:
    """Load tasks, and decide in the same step of the event loop, before a cache drops any."""
    yield from load(store, ids)
    return (yield from write(store, decide))
