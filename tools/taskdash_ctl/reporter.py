"""The report of a command that runs on: the whole client, which keeps its task alive."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import taskdash
from taskdash.address import Address
from taskdash.calls import Hooks
from taskdash.write import Outcome
from taskdash_protocol.errors import Conflict, TaskDashError
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.statuses import is_live

if TYPE_CHECKING:
    from taskdash_ctl.wishes import Say


class Reporter:
    """Keeps the task alive at the daemon, and reports it again when the daemon was away."""

    def __init__(self, where: Address, client: str, task: dict[str, Any], say: "Say") -> None:
        """`task` is what Register says, with its id."""
        self._where = where
        self._client_name = client
        self._id = str(task["id"])
        self._fields = {name: value for name, value in task.items() if name != "id"}
        self._say = say
        self._registered = threading.Event()
        self._unheld = False
        self._closed = False
        self.on_lost: Callable[[], None] | None = None
        """Called once the task is another's."""
        self.epoch: int | None = None
        """The task's epoch; None without a lock, where nothing waits for the daemon's reply."""

    def begin(self, epoch: int | None = None) -> None:
        """Register the task, or take it up if it has been registered with that epoch."""
        self._client = taskdash.Client(
            self._where, self._client_name, self._hooks(), background=True
        )
        try:
            if epoch is None:
                self._client.hold(self._id, self._fields, self._began, replaces=True)
            else:
                self._client.resume(self._id, self._fields, epoch)
                self._registered.set()
        except TaskDashError as error:
            self._began(error)

    def lock(self) -> None:
        """Register the task so that nobody else can; raises `TaskDashError` where that fails."""
        self._client = taskdash.Client(self._where, self._client_name, self._hooks())
        self._fields["fenced"] = True
        try:
            self.epoch = self._taken_epoch()
            self._client.resume(self._id, self._fields, self.epoch)
        except TaskDashError:
            self._client.close()
            raise
        self._registered.set()

    @property
    def heartbeat_timeout_s(self) -> float:
        """After so many seconds of silence the daemon gives the lock to another."""
        own = self._fields.get("heartbeat_timeout")
        return self._client.heartbeat_timeout_s if own is None else float(own)

    def progress(self, text: str) -> None:
        """Say how far the command is."""
        if not self._unheld:
            self._client.say(self._id, progress=text)

    def last_word(self, word: dict[str, Any], timeout_s: float) -> None:
        """Report how the command ended; waits so long for a daemon that is away."""
        ends_at = time.monotonic() + timeout_s
        # Wait for the Register, so that also a command quicker than the network has a beginning.
        self._registered.wait(timeout_s)
        if self._unheld:
            return
        self._client.say(self._id, **word)
        if not self._client.drain(max(0.0, ends_at - time.monotonic())) or self._unheld:
            self.give_up()

    def give_up(self) -> None:
        """Tell the person that the daemon will not learn of the end."""
        away = self._client.fault
        reason = f": {away}" if away is not None else ""
        self._say(f"the end of task {self._id} could not be reported{reason}")

    def close(self) -> None:
        """Disconnect."""
        self._closed = True
        self._client.close(0)

    def _hooks(self) -> Hooks:
        return Hooks(on_disconnect=self._away, on_reconnect=self._back, on_lost=self._taken)

    def _taken_epoch(self) -> int:
        """Register the task unless it lives; gives its epoch. Raises `TaskDashError`."""
        # By epoch: the fence alone lets another in as soon as the connection of its holder is
        # gone, when the holder's command may still run. What lives dies by its deadline only.
        try:
            return self._register(epoch=0)
        except Conflict as refusal:
            task = self._client.find(self._id)
            if is_live(task["status"]):
                raise self._is_running(refusal, task) from None
        try:
            return self._register(task["epoch"])
        except Conflict as refusal:
            raise self._is_running(refusal, self._client.find(self._id)) from None

    def _register(self, epoch: int) -> int:
        body = {**self._fields, "id": self._id, "epoch": epoch}
        return int(self._client.call(Register.parse(body))["epoch"])

    def _is_running(self, refusal: Conflict, task: dict[str, Any]) -> Conflict:
        """Say for a person who holds the lock, as the task itself tells."""
        words = [f"{self._id} is running already, so nothing was run"]
        if refusal.holder is not None:
            words[0] += f": held by {refusal.holder}"
        if host := task.get("host"):
            words.append(f"on {host} as process {task.get('pid')}")
        if since := task.get("start_time"):
            words.append(f"since {since}")
        return Conflict(", ".join(words))

    def _began(self, outcome: Outcome) -> None:
        if isinstance(outcome, TaskDashError) and not self._closed:
            self._unheld = True
            self._say(f"the task is not shown: {outcome}")
        self._registered.set()

    def _away(self, error: TaskDashError) -> None:
        self._say(f"{error}; the command goes on, and is reported once it is back")

    def _back(self) -> None:
        self._say(f"taskdashd at {self._where} is back")

    def _taken(self, _task_id: str, error: TaskDashError) -> None:
        self._unheld = True
        self._say(f"the task is no longer ours: {error}")
        if self.on_lost is not None:
            self.on_lost()
