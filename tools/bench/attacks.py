"""Attacks on every door, and what others notice of them.

Each attack is a process of its own that does the same again and again, from another address (see
`attackers.py`), by each door where it makes sense. Beside it a service asks Find after Find, tasks
die by silence, and a stand-in for systemd waits for the watchdog's beats. What is told: how long a
Find took alone and under the attack, the most memory that the daemon took more than before, how
late the deaths were seen, the longest wait between two beats, and the longest Query of a bystander
and Status on the operator's own socket. A line that breaks a promise (BOUNDS) ends with what.
"""

import argparse
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import trustme
from attackers import ATTACKS, SOURCE
from servers import make_token

import taskdash
from taskdash.testing import COMMAND, RunningDaemon
from taskdash_protocol.families.operators import Status
from taskdash_protocol.families.tasks import Query, Register
from taskdash_protocol.request import Request

SERVICES, PEOPLE, TASKS = 500, 1_000, 20_000
SILENT_S = 2.0
WATCHDOG_S = 1.5
PAUSE_S = 0.002
RATIO_MAX, MEMORY_MIB_MAX, BEAT_S_MAX, DEATH_S_MAX = 5.0, 64.0, 2.0, 1.0
"""What is promised: a Find's p99 against alone, memory, a beat, how late a death is seen."""
ATTACKER, DAEMON, BYSTANDER = 1, 2, 3
"""Priorities with --real-time: other work of the machine waits for all of them, the attacker, who
would be on another machine, for the daemon, and all for who measures."""


class Systemd:
    """Takes the watchdog's beats, and notes the longest wait for one."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(str(self.path))
        self._last = time.monotonic()
        self.longest_s = 0.0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._sock.recv(4096)
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - self._last)
            self._last = now

    def begin(self) -> None:
        """Forget what was before."""
        self._last, self.longest_s = time.monotonic(), 0.0

    def longest(self) -> float:
        """Give the longest wait, also if it still lasts."""
        return max(self.longest_s, time.monotonic() - self._last)


class Memory(threading.Thread):
    """Looks at the daemon's memory again and again, and keeps the most that it took."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._is_over = threading.Event()
        self.before_kib = self.most_kib = memory_kib(pid)
        self.start()

    def run(self) -> None:
        """Look until `end`."""
        while not self._is_over.wait(0.2):
            self.most_kib = max(self.most_kib, memory_kib(self._pid))

    def end(self) -> float:
        """Give how many MiB more the daemon took than at the beginning, at the most."""
        self._is_over.set()
        self.join()
        return (self.most_kib - self.before_kib) / 1024


def bystand(dash: Any, seconds: float) -> list[float]:
    """Ask Find after Find; give how long each took, in milliseconds, sorted."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        dash.find("t1", timeout_s=60)
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(PAUSE_S)
    return sorted(took)


class Beside(threading.Thread):
    """Asks what takes longer than a Find again and again, and notes the longest wait, in ms."""

    def __init__(self, url: str, request: Request, seconds: float) -> None:
        super().__init__()
        self._url, self._request, self._seconds = url, request, seconds
        self.longest = 0.0
        self.start()

    def run(self) -> None:
        """Ask until the time is over."""
        end = time.perf_counter() + self._seconds
        with taskdash.connect(self._url) as dash:
            while (began := time.perf_counter()) < end:
                try:
                    dash.call(self._request, 60.0)
                except taskdash.TaskDashError:
                    self.longest = float("inf")
                    return
                self.longest = max(self.longest, 1000 * (time.perf_counter() - began))
                time.sleep(0.05)


def at(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(len(took) * share))]


def deaths(url: str, seconds: float, late: list[float]) -> None:
    """Have tasks fall silent one after another, and note how late each death was seen."""
    with taskdash.connect(url) as watcher:
        seen = watcher.watch({"status": "shutdown"})
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            number += 1
            task = f"victim-{time.monotonic_ns()}-{number}"
            _register_and_go(url, task)
            began = time.monotonic()
            for event in seen:
                if event.task["id"] == task:
                    late.append(time.monotonic() - began - SILENT_S)
                    break


def _register_and_go(url: str, task: str) -> None:
    """Register a task on a connection of its own, and close that: from now on it is silent."""
    with taskdash.connect(url) as dash:
        dash.ask("Register", id=task, name=task, status="running", heartbeat_timeout=SILENT_S)


@contextmanager
def attacked(name: str, door: str, where: dict[str, Any], *, real_time: bool) -> Iterator[None]:
    prefix = ["chrt", "-r", str(ATTACKER)] if real_time else []
    attackers = str(Path(__file__).parent / "attackers.py")
    command = [*prefix, sys.executable, attackers, name, door, json.dumps(where)]
    process = subprocess.Popen(command)
    try:
        yield
        if process.poll() is not None:
            print(f"  the attacker of {name} has ended before its time", flush=True)
    finally:
        process.kill()
        process.wait()


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


UNLIMITED = {"request_rate": "off", "identity_rate": "off", "person_rate": "off"}


def furnish(dash: Any) -> None:
    for number in range(PEOPLE):
        dash.ask("SetPerson", user=f"u{number}", name=f"Person {number}", groups=["cut"])
    for number in range(SERVICES):
        dash.ask("RegisterService", url=f"http://10.0.{number // 250}.{number % 250}", name="n")
    dash.ask("Register", id="t1", name="One", status="finish")
    about = {"name": "n", "status": "finish", "description": "what is to be done " * 50}
    tasks = ({"id": f"task-{number}", **about} for number in range(TASKS))
    for _ in dash.pipeline(map(Register.parse, tasks)):
        pass


TOKENS: dict[str, str] = {}


def make_tokens(data: Path) -> None:
    """Make a token for who measures, and one for the attacker."""
    for role in ("operator", "service"):
        TOKENS[role] = make_token(data, role, "--role", role)


def make_certificate(directory: Path) -> dict[str, str]:
    """Make a certificate with an RSA key, which costs the daemon most."""
    made = trustme.CA().issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    made.private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
    return {"tls_cert": str(directory / "server.pem"), "tls_key": str(directory / "server.pem")}


def sign_in(port: int, *, tls: bool) -> str:
    way: Any = HTTPSConnection if tls else HTTPConnection
    more = {"context": ssl_unchecked()} if tls else {}
    connection = way("127.0.0.1", port, source_address=SOURCE, **more)
    kind = {"content-type": "application/json"}
    connection.request("POST", "/api/v1/Login", json.dumps({"user": "u1"}), kind)
    answer = connection.getresponse()
    answer.read()
    return str(answer.headers["set-cookie"].partition(";")[0])


def ssl_unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def port_of(daemon: RunningDaemon, event: str) -> int:
    return int(daemon.wait_for(event)["address"].rpartition(":")[2])


def measure(
    name: str, door: str, daemon: RunningDaemon, systemd: Systemd, given: argparse.Namespace
) -> None:
    web = port_of(daemon, "the board is at")
    ports = {"tcp": daemon.port, "tls": port_of(daemon, "listening with TLS"), "http": web}
    where = {
        "ports": ports,
        "token": TOKENS["service"],
        "cookie": sign_in(web, tls=door == "https"),
    }
    seconds = given.seconds
    with taskdash.connect(daemon.url) as dash:
        alone = bystand(dash, max(3.0, seconds / 6))
        memory, lines = Memory(daemon.pid), len(daemon.log)
        before_s = cpu_s(daemon.pid)
        with attacked(name, door, where, real_time=given.real_time):
            time.sleep(0.5)
            systemd.begin()
            late: list[float] = []
            dying = threading.Thread(target=deaths, args=(daemon.url, seconds - SILENT_S, late))
            dying.start()
            querying = Beside(daemon.url, Query({}, "id", 10), seconds)
            looking = Beside(f"unix://{daemon.data / 'taskdashd.sock'}", Status(), seconds)
            took = bystand(dash, seconds)
            more_mib, longest_s = memory.end(), systemd.longest()
            cores = (cpu_s(daemon.pid) - before_s) / (seconds + 0.5)
            for thread in (dying, querying, looking):
                thread.join()
    latest = max(late, default=0.0)
    ratio = at(took, 0.99) / at(alone, 0.99)
    broken = [
        what
        for what, is_broken in (
            ("p99", ratio > RATIO_MAX),
            ("memory", more_mib > MEMORY_MIB_MAX),
            ("beat", longest_s > BEAT_S_MAX),
            ("death", latest > DEATH_S_MAX or not late),
        )
        if is_broken
    ]
    print(
        f"{name:17} {door:5} {'yes' if ATTACKS[name].signed_in else 'no':3}"
        f" {at(alone, 0.5):6.2f} {at(alone, 0.99):6.2f} {at(took, 0.5):6.2f}"
        f" {at(took, 0.99):6.2f} {took[-1]:8.2f} {ratio:5.1f} {more_mib:+7.1f} {longest_s:6.2f}"
        f" {latest:6.2f} {cores:5.2f} {len(daemon.log) - lines:5}"
        f" {querying.longest:8.0f} {looking.longest:7.0f}  {' '.join(broken)}",
        flush=True,
    )


HEAD = (
    f"{'':26} {'alone, ms':13} {'under attack, ms':22} {'':5} {'memory':7} {'beat':>6}"
    f" {'death':>6} {'':5} {'log':>5} {'longest, ms':>16}\n"
    f"{'attack':17} {'door':5} {'in':3} {'p50':>6} {'p99':>6} {'p50':>6} {'p99':>6} {'max':>8}"
    f" {'ratio':>5} {'MiB':>7} {'s':>6} {'s':>6} {'cores':>5} {'lines':>5} {'Query':>8}"
    f" {'Status':>7}"
)


def rows(only: str) -> Iterator[tuple[str, str]]:
    """Give the attacks and doors that are asked for: all, by name, or as NAME:DOOR."""
    wanted = only.split(",") if only else list(ATTACKS)
    for word in wanted:
        name, _, door = word.partition(":")
        for one in [door] if door else ATTACKS[name].doors:
            yield name, one


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--only", default="")
    words.add_argument("--list", action="store_true")
    words.add_argument("--real-time", action="store_true")
    given = words.parse_args()
    if given.list:
        print("\n".join(f"{name}:{door}" for name, door in rows("")))
        return
    if given.real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(BYSTANDER))
    prefix = ("chrt", "-r", str(DAEMON)) if given.real_time else ()
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        systemd = Systemd(where)
        furnished = where / "furnished"
        make_tokens(furnished)
        os.environ["TASKDASH_TOKEN"] = TOKENS["operator"]
        environment = {
            "NOTIFY_SOCKET": str(systemd.path),
            "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}",
        }
        settings = {
            "auth": "tokens",
            "web": "127.0.0.1:0",
            "listen_tls": "127.0.0.1:0",
            **make_certificate(where),
        }
        command = (*prefix, *COMMAND)
        daemon = RunningDaemon(furnished, {**settings, **UNLIMITED}, command=command)
        with taskdash.connect(daemon.url) as dash:
            furnish(dash)
        daemon.stop()
        print(HEAD, flush=True)
        for number, (name, door) in enumerate(rows(given.only)):
            # A daemon for each: what one attack leaves behind is not the next one's.
            data = where / str(number)
            shutil.copytree(furnished, data)
            more = {"web_tls": "on"} if door == "https" else {}
            daemon = RunningDaemon(data, {**settings, **more}, env=environment, command=command)
            try:
                measure(name, door, daemon, systemd, given)
            except (OSError, taskdash.TaskDashError) as error:
                # Go on with the others, each of which takes a minute.
                print(f"{name:17} {door:5} failed: {error!r}", flush=True)
            finally:
                daemon.kill()
                shutil.rmtree(data)


if __name__ == "__main__":
    main()
