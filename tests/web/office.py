"""An office to look at: people, services, and work in every state; for the tests of the board, and
for the pictures in the docs."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from processes import taskdashd

import taskdash
from taskdash.testing import COMMAND, RunningDaemon
from taskdash_protocol.families.tasks import Register

PASSWORD = "root horses"
"""The administrator's, who signs in nowhere without one."""
PEOPLE: dict[str, dict[str, Any]] = {
    "1001": {"name": "Ann Li", "groups": ["cut"]},
    "1002": {"name": "王小明", "groups": ["cut"]},
    "1003": {"name": "Eve Stone", "groups": ["paint"]},
    "1004": {"name": "赵组长", "groups": ["cut", "paint"], "role": "lead"},
    "1005": {"name": "Root", "role": "admin", "password": PASSWORD},
}
FREE, CLAIMED, EDITING, REVIEW = "待领取", "已领取", "编辑中", "待审核"


class Office:
    """A daemon with a board, and the people, services and tasks of an office."""

    client: str | None = None
    """By which name the daemon knows who asks; by default the program's."""

    def __init__(
        self,
        data: Path,
        *,
        port: int = 0,
        package: Path | None = None,
        command: Sequence[str] = COMMAND,
        **settings: object,
    ) -> None:
        """Start a daemon; `package` is a folder with a `taskdashd` to run in place of ours, and
        `command` what runs it."""
        self.data = data
        own = {} if package is None else {"PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"}
        settings = {"web": f"127.0.0.1:{port}", **settings}
        self.daemon = RunningDaemon(data, settings, env=own, command=command)
        self.address = self.daemon.wait_for("the board is at")["address"]
        self.url = f"http://{self.address}"
        self.port = int(self.address.rpartition(":")[2])
        self.dash = taskdash.connect(self.daemon.url, client=self.client)

    def people(self) -> None:
        for user, about in PEOPLE.items():
            self.ask("SetPerson", user=user, **about)

    def ask(self, operation: str, **body: Any) -> dict[str, Any]:
        """Ask over TCP, as the operator."""
        return self.dash.ask(operation, **body)

    def post(self, operation: str, body: dict[str, Any], **headers: str) -> tuple[int, Any]:
        """Ask over HTTP; gives the status and the reply."""
        return post(f"{self.url}/api/v1/{operation}", json.dumps(body).encode(), **headers)

    def static(self, name: str) -> str:
        """Give the path at which a file of the page is served."""
        with urllib.request.urlopen(self.url, timeout=20) as answer:
            (version,) = set(re.findall(r"\bstatic/(\w+)/", answer.read().decode()))
        return f"/static/{version}/{name}"

    def token(self, name: str, *words: str) -> str:
        """Make a token, and wait until the daemon knows it."""
        known = sum(line["event"] == "tokens reread" for line in self.daemon.log)
        done = taskdashd("token", "create", name, "--data", self.data, *words)
        assert done.returncode == 0, done.stderr
        self.daemon.wait_for("tokens reread", count=known + 1)
        return done.stdout.strip()

    def revoke(self, name: str) -> None:
        """Revoke a token."""
        done = taskdashd("token", "revoke", name, "--data", self.data)
        assert done.returncode == 0, done.stderr

    def many(self, count: int) -> None:
        """Register many tasks; the first ones first."""
        tasks = ({"id": f"many-{n:05}", "name": f"Task {n}", "status": FREE} for n in range(count))
        for outcome in self.dash.pipeline(map(Register.parse, tasks)):
            assert isinstance(outcome, dict), outcome

    def task(self, task_id: str, name: str, status: str = FREE, **fields: Any) -> None:
        self.ask("Register", id=task_id, name=name, status=status, **fields)

    def close(self) -> None:
        self.dash.close()
        self.daemon.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def post(url: str, body: bytes, **headers: str) -> tuple[int, Any]:
    """Send a body; give the status and the answer, as JSON or text."""
    sent = {
        "content-type": "application/json",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    request = urllib.request.Request(url, body, sent)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode()


def furnish(office: Office) -> None:
    """Fill the office with a day's work, the same each time."""
    office.people()
    names = ["开场剪辑", "Trailer, 30 s", "Colour of scene 12", "字幕校对", "Poster", "Mix, reel 2"]
    for number, name in enumerate(names):
        office.task(
            f"cut-{number + 1}", name, group_id="cut", project_id="film-7", task_type="vidEdit"
        )
    for number, name in enumerate(["Sky, shot 4", "背景绘制", "Matte, shot 9"]):
        office.task(f"paint-{number + 1}", name, group_id="paint", project_id="film-7")
    office.ask("Claim", id="cut-1", user="1001")
    office.ask("Begin", id="cut-1", user="1001")
    office.ask("Claim", id="cut-2", user="1002", limit=7200)
    office.ask("Claim", id="cut-3", user="1002")
    office.ask("Begin", id="cut-3", user="1002")
    office.ask("Submit", id="cut-3", user="1002", word="please look at 00:41")
    office.ask("Claim", id="cut-4", user="1001")
    office.ask("Submit", id="cut-4", user="1001", checker="1004")
    office.ask("Reject", id="cut-4", user="1004", reason="第三行有错字")
    office.ask("Claim", id="paint-1", user="1003")
    office.ask("Submit", id="paint-1", user="1003")
    office.ask("Approve", id="paint-1", user="1004", word="lovely")
    for url, name in (("http://10.0.0.7:8080", "Cutter"), ("http://10.0.0.8:8080", "Renderer")):
        office.ask("RegisterService", url=url, name=name, group_id="cut")
    for number, (name, progress) in enumerate(
        [("Render reel 1", "3/7"), ("Index films", "82%"), ("Nightly backup", "")]
    ):
        fields = {"progress": progress} if progress else {}
        office.task(f"run-{number + 1}", name, "running", url="http://10.0.0.8:8080", **fields)
    office.task("old-1", "Upload to archive", "failed", reason="the disk of the archive is full")
    office.task("old-2", "Import orders", "finish")
