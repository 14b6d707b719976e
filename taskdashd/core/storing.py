"""Looking at the store and writing to it, as steps of an operation that waits."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, TypeVar

from taskdash_protocol.errors import Busy
from taskdashd.core.steps import Done, Steps, wait_for
from taskdashd.store.reader import Reader
from taskdashd.store.transaction import Transaction, View
from taskdashd.store.writer import Writer

T = TypeVar("T")


class Store(Protocol):
    """What has the store's parts: `Core`, or a part of a family that was given them."""

    @property
    def view(self) -> View:
        """What is in memory of it."""

    @property
    def reader(self) -> Reader:
        """Brings what is not."""

    @property
    def writer(self) -> Writer:
        """Changes it."""


def load(store: Store, ids: Iterable[str]) -> Steps[None]:
    """Bring tasks into memory. Raises `Busy` where they do not fit into it together."""
    wanted = list(ids)
    while not all(map(store.view.knows, wanted)):
        yield from wait_for(partial(store.reader.load, wanted))
        if len(wanted) > 1 and not all(map(store.view.knows, wanted)):
            raise Busy("the tasks do not fit into memory together: make task_cache larger")


def write(store: Store, decide: Callable[[Transaction], T]) -> Steps[T]:
    """Decide and commit; it is on disk when this goes on. Raises what `decide` raises."""

    def start(done: Done[T]) -> None:
        store.writer.write(decide, done)
        store.writer.flush()

    return (yield from wait_for(start))


def load_and_write(
    store: Store, ids: Iterable[str], decide: Callable[[Transaction], T]
) -> Steps[T]:
    """Bring tasks into memory, then decide and commit in the same step of the event loop."""
    yield from load(store, ids)
    return (yield from write(store, decide))
