"""Keep one task known to the daemon, whatever happens to the connection.

For a supervisor of something else, like `taskdash-ctl run`: its work goes on whether the daemon
can be reached or not, and what it has to say is said once the daemon is back.
"""

import random
import threading
from collections.abc import Callable
from typing import Any, Final

from taskdash import address
from taskdash.client import Client
from taskdash.errors import Conflict, NotFound, TaskDashError

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 10.0

Report = Callable[[str], None]
"""Told in one sentence of what a person should know: lost, back, taken over."""


class Keeper:
    """Registers a task, beats for it, and says its newest state, on a thread of its own.

    `fields` is the whole task as it was at first, with `id` and `name`. If somebody else has taken
    the task over meanwhile, the keeper says so and stops writing.
    """

    def __init__(
        self, where: address.Address, client: str, fields: dict[str, Any], report: Report
    ) -> None:
        self._address = where
        self._client_name = client
        self._fields = dict(fields)
        self._report = report
        self._changed = threading.Condition()
        self._unsaid: dict[str, Any] = dict(fields)
        self._epoch: int | None = None
        self._unsure = False
        """A write was sent and its reply was lost: it may have been done."""
        self._last_word = False
        self._stopped = False
        self.registered = threading.Event()
        """Set once the daemon has the task for the first time."""
        self._thread = threading.Thread(target=self._run, name="taskdash-keeper", daemon=True)
        self._thread.start()

    def update(self, **fields: Any) -> None:
        """Change some of the task's fields, now or once the daemon is back."""
        with self._changed:
            self._fields.update(fields)
            self._unsaid.update(fields)
            self._changed.notify_all()

    def finish(self, timeout_s: float, **fields: Any) -> bool:
        """Say the last word; True if the daemon has it before the time is up."""
        with self._changed:
            self._last_word = True
            self._fields.update(fields)
            self._unsaid.update(fields)
            self._changed.notify_all()
            said = self._changed.wait_for(lambda: self._stopped, timeout_s) and not self._unsaid
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(1.0)
        return said

    def _run(self) -> None:
        attempt = 0
        while not self._stopped:
            try:
                with Client(self._address, self._client_name) as client:
                    if attempt:
                        self._report(f"taskdashd at {self._address} is back")
                    attempt = 0
                    self._keep(client)
            except (NotFound, Conflict) as error:
                self._report(f"the task is no longer ours: {error}")
                self._stop()
            except TaskDashError as error:
                if not attempt:
                    self._report(f"{error}; the command goes on, and is reported once it is back")
                attempt += 1
            self._pause(attempt)

    def _keep(self, client: Client) -> None:
        """Say what is unsaid, until the last word is said or the connection is lost."""
        if self._epoch is not None:
            with self._changed:
                # It may have been shut down meanwhile: the status brings it back.
                self._unsaid.setdefault("status", self._fields.get("status", ""))
        while not self._stopped:
            with self._changed:
                saying, self._unsaid = self._unsaid, {}
            try:
                self._say(client, saying)
            except TaskDashError:
                with self._changed:
                    self._unsaid = {**saying, **self._unsaid}
                raise
            with self._changed:
                if self._last_word and not self._unsaid:
                    self._stopped = True
                    self._changed.notify_all()
                    return
                self._changed.wait_for(
                    lambda: self._unsaid or self._last_word or self._stopped or client.closed, 0.5
                )
            if client.closed:
                client.find(self._fields["id"])

    def _say(self, client: Client, saying: dict[str, Any]) -> None:
        if self._epoch is None:
            self._epoch = client.register(**self._fields)
            self.registered.set()
        elif saying:
            changes = {key: value for key, value in saying.items() if key != "id"}
            try:
                self._epoch = self._update(client, changes)
            except NotFound:
                # The daemon has lost it (an older backup, another data directory).
                self._epoch = client.register(epoch=0, **self._fields)
            self._unsure = False

    def _update(self, client: Client, changes: dict[str, Any]) -> int:
        assert self._epoch is not None
        was_unsure, self._unsure = self._unsure, True
        task_id = self._fields["id"]
        try:
            return client.update(task_id, epoch=self._epoch, **changes)
        except Conflict:
            # The write whose reply was lost may have been done, and raised the epoch by one.
            if not was_unsure or client.find(task_id)["epoch"] != self._epoch + 1:
                raise
            return client.update(task_id, epoch=self._epoch + 1, **changes)

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _pause(self, attempt: int) -> None:
        if attempt and not self._stopped:
            # Full jitter: a thousand clients of one daemon do not come back in step.
            longest = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt, 10))
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopped,
                    random.uniform(0.05, longest),  # noqa: S311
                )
