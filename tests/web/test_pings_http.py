"""`/ping/TOKEN/ID`, asked by curl as cron asks it, of a real daemon."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from office import Office

import taskdash


class Cron:
    """A machine with cron and curl, and the tokens that it was given."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.tokens = {
            "job": office.token("job", "--role", "ping", "--group", "mx", "--group", "ax"),
            "svc": office.token("svc", "--group", "ax"),
            "eye": office.token("eye", "--role", "reader"),
            "boss": office.token("boss", "--role", "operator"),
        }

    def curl(self, path: str, *words: str, token: str = "job") -> tuple[int, str]:
        """Give the HTTP status and the answer."""
        url = f"{self.office.url}/ping/{self.tokens[token]}/{path}"
        command = ["curl", "-sS", "-m", "20", "-w", "\n%{http_code}", *words, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def ping(self, path: str, *words: str, token: str = "job") -> None:
        status, body = self.curl(path, *words, token=token)
        assert status == 200, body
        assert body.endswith("\n\n" if "-I" in words else "ok\n")

    def task(self, task_id: str) -> dict[str, Any]:
        return self.office.ask("Find", id=task_id)

    def refused(self, status: int, path: str, *words: str, token: str = "job") -> str:
        """Ping, be refused, and see that nothing was changed."""
        rev = self.office.ask("Status")["rev"]
        got, body = self.curl(path, *words, token=token)
        assert got == status, body
        assert self.office.ask("Status")["rev"] == rev
        assert self.tokens[token] not in body
        return body


@pytest.fixture(scope="module")
def cron(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cron]:
    with Office(tmp_path_factory.mktemp("cron")) as office:
        yield Cron(office)


def test_the_line_of_a_crontab(cron: Cron) -> None:
    """Made by its first ping: its id is its name, in the first group that the token was given."""
    cron.ping("job-nightly?every=1d&grace=1h30m", "-f")
    told = cron.task("job-nightly")
    assert (told["name"], told["group_id"], told["status"]) == ("job-nightly", "mx", "up")
    assert told["heartbeat_timeout"] == 91_800
    cron.ping("job-nightly?grace=90m")
    assert cron.task("job-nightly")["heartbeat_timeout"] == 5_400
    cron.ping("job-nightly")
    after = cron.task("job-nightly")
    assert (after["heartbeat_timeout"], after["epoch"]) == (5_400, 1)
    assert after["last_seen"] > after["updated_at"]


def test_a_run_from_its_start_to_its_end(cron: Cron) -> None:
    cron.ping("job-run/start?every=30d&grace=1d")
    assert cron.task("job-run")["status"] == "started"
    cron.ping("job-run", "--retry", "3")
    cron.ping("job-run")
    told = cron.task("job-run")
    assert (told["status"], told["heartbeat_timeout"]) == ("finish", 2_678_400)
    cron.ping("job-run/start")
    cron.ping("job-run/255", "--data-binary", "no space left")
    told = cron.task("job-run")
    assert (told["status"], told["exit_code"], told["reason"]) == ("failed", 255, "no space left")
    cron.ping("job-run/0")
    told = cron.task("job-run")
    assert (told["status"], told["exit_code"], told["reason"]) == ("finish", 0, "")
    cron.ping("job-run/fail", "-X", "POST")
    assert cron.task("job-run")["status"] == "failed"


def test_head_counts_as_get(cron: Cron) -> None:
    cron.ping("job-head/start", "-I")
    assert cron.task("job-head")["status"] == "started"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(
            (f"job-x/{suffix}", 404)
            for suffix in ("256", "-1", "00", "1.0", "stop", "", "start/", "٣")
        ),
        *((one, 404) for one in ("", "job-x/start/0")),
        *(
            (f"job-x?{query}", 400)
            for query in ("every=", "every=0s", "grace=1x", "every=31d&grace=1s")
        ),
        *((f"job-x?{query}", 400) for query in ("every=nan", "every=1d1h1m1s1s", "every=%FF")),
        *((one, 400) for one in ("job-%FF", "job-%00", "job-%0a", "job-" + "x" * 125)),
    ],
)
def test_what_is_no_ping_changes_nothing(cron: Cron, path: str, status: int) -> None:
    cron.refused(status, path, "-g")


def test_an_id_is_one_percent_encoded_segment(cron: Cron) -> None:
    cron.ping("job-a%2Fb%20%E6%99%9A?every=1h")
    assert cron.task("job-a/b 晚")["status"] == "up"


def test_who_may_ping_what(cron: Cron) -> None:
    """A ping's token its own ids; a service's any of its groups; a reader's and operator's none."""
    for path in ("other", "jobs-1", "job1", "jo"):
        assert "begin with its name" in cron.refused(403, path)
    cron.ping("whatever", token="svc")
    assert cron.task("whatever")["group_id"] == "ax"
    cron.office.task("job-elsewhere", "n", status="busy", group_id="zz")
    for token in ("job", "svc"):
        assert "none of this token's groups" in cron.refused(403, "job-elsewhere", token=token)
    for token in ("eye", "boss"):
        assert "pings nothing" in cron.refused(403, "job-1", token=token)
    got, body = cron.curl("job-1", token="job")
    assert got == 200, body
    cron.tokens["wrong"] = "td_job_no-such-secret-was-ever-made"
    assert "wrong, was revoked" in cron.refused(401, "job-1", token="wrong")


def test_a_ping_s_token_opens_no_other_door(cron: Cron, monkeypatch: pytest.MonkeyPatch) -> None:
    bearer = f"Bearer {cron.tokens['job']}"
    status, told = cron.office.post("Query", {}, authorization=bearer)
    assert (status, told["errid"]) == (401, 1003)
    command = ["curl", "-sS", "-m", "9", "-o", "/dev/null", "-w", "%{http_code}"]
    shake = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    for header in (*shake, "Sec-WebSocket-Key: eA==", f"Authorization: {bearer}"):
        command += ["-H", header]
    for path in ("/ws", f"/ping/{cron.tokens['job']}/job-ws"):
        done = subprocess.run([*command, cron.office.url + path], capture_output=True, text=True)
        assert done.stdout in ("401", "404")


def test_a_browser_that_opens_the_address_pings_nothing(cron: Cron) -> None:
    for header in (
        "Sec-Fetch-Mode: navigate",
        "Purpose: prefetch",
        "Sec-Purpose: prefetch;prerender",
        "X-Moz: prefetch",
    ):
        cron.refused(403, "job-link", "-H", header)
    for method in ("PUT", "DELETE", "OPTIONS"):
        cron.refused(405, "job-link", "-X", method)


def test_the_end_of_a_long_body_is_the_reason(cron: Cron, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_bytes(b"\xe9\x9a" + "晚".encode() * 5_000 + b"\0the end\n")
    cron.ping("job-long/1", "--data-binary", f"@{output}")
    reason = cron.task("job-long")["reason"]
    assert reason.endswith("晚\ufffdthe end")
    assert 10_200 < len(reason.encode()) <= 10_240 + 2
    assert reason[0] == "晚"
    output.write_bytes(b"x" * (1 << 20))
    cron.ping("job-long/1", "--data-binary", f"@{output}")
    cron.ping("job-long/1", "--data-binary", f"@{output}", "-H", "Transfer-Encoding: chunked")
    output.write_bytes(b"x" * ((1 << 20) + 1))
    cron.refused(413, "job-long/1", "--data-binary", f"@{output}")


def test_the_token_is_looked_at_before_the_body(cron: Cron) -> None:
    """Of a body that is announced and never sent, whoever has no good token is told so at once."""
    head = "POST /ping/td_job_no/job-b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1048576\r\n"
    with socket.create_connection(("127.0.0.1", cron.office.port), timeout=20) as sock:
        sock.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_a_token_revoked_while_a_body_comes_pings_nothing(cron: Cron) -> None:
    token = cron.office.token("slow", "--role", "ping")
    head = f"POST /ping/{token}/slow/fail HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\n"
    with socket.create_connection(("127.0.0.1", cron.office.port), timeout=20) as sock:
        sock.sendall(f"{head}ab".encode())
        time.sleep(0.3)
        count = sum(line["event"] == "tokens reread" for line in cron.office.daemon.log)
        cron.office.revoke("slow")
        cron.office.daemon.wait_for("tokens reread", count=count + 1)
        sock.sendall(b"cd")
        assert sock.recv(4096).startswith(b"HTTP/1.1 401 ")
    with pytest.raises(taskdash.NotFound):
        cron.task("slow")


def test_silence_ends_what_was_pinged_and_a_ping_revives_it(cron: Cron) -> None:
    """Each by its own pings: those of one keep no other of the same token alive."""
    cron.ping("job-dies?every=1s")
    cron.ping("job-hangs/start?every=1s")
    cron.ping("job-lives?every=1s")
    until = time.monotonic() + 20
    while {cron.task(one)["status"] for one in ("job-dies", "job-hangs")} != {"shutdown"}:
        assert time.monotonic() < until
        cron.ping("job-lives")
    assert cron.task("job-lives")["status"] == "up"
    assert cron.task("job-lives")["rev"] < cron.task("job-dies")["rev"]
    cron.ping("job-dies")
    assert (cron.task("job-dies")["status"], cron.task("job-dies")["shutdown_at"]) == ("up", "")
    cron.ping("job-hangs")
    assert cron.task("job-hangs")["status"] == "finish"
    # End the others: their deaths would be changes in the tests to come.
    for one in ("job-dies", "job-lives"):
        cron.ping(f"{one}/0")


def test_a_task_of_a_service(cron: Cron) -> None:
    """A ping takes it over as any write does; one that is fenced it does not touch."""
    cron.office.task("job-theirs", "n", status="busy", group_id="mx")
    cron.ping("job-theirs")
    told = cron.task("job-theirs")
    assert (told["status"], told["epoch"], told["heartbeat_timeout"]) == ("busy", 2, 86_400)
    cron.office.task("job-fenced", "n", status="busy", group_id="mx", fenced=True)
    cron.office.task("job-people", "n", group_id="mx")
    for task_id in ("job-fenced", "job-people"):
        for suffix in ("", "/start", "/0", "/fail"):
            cron.refused(409, f"{task_id}{suffix}")


def test_many_at_once_make_one_task(cron: Cron) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(cron.ping, ["job-same/start?every=1h"] * 16))
        list(pool.map(cron.ping, ["job-same"] * 16))
    told = cron.task("job-same")
    assert (told["status"], told["epoch"]) == ("finish", 1)


def test_the_secret_stands_nowhere(cron: Cron) -> None:
    """Log and audit name the token by its name."""
    cron.ping("job-told/start")
    cron.refused(403, "told")
    cron.refused(404, "job-told/256")
    until = time.monotonic() + 20
    while True:
        told = json.dumps(cron.office.ask("Audit", limit=1000)["entries"])
        if "begin with its name" in told:
            break
        assert time.monotonic() < until
    assert "ping (job, 127.0.0.1" in told
    text = told + json.dumps(cron.office.daemon.log)
    files = [path for path in cron.office.data.iterdir() if path.is_file()]
    stored = b"".join(path.read_bytes() for path in files)
    for token in cron.tokens.values():
        secret = token.split("_", 2)[2]
        assert secret not in text
        assert secret.encode() not in stored
    assert "/ping/" not in text


@pytest.mark.parametrize("before", ["/", "/PING/..", "/x"])
def test_what_misses_the_path_by_a_slash_is_not_repeated(cron: Cron, before: str) -> None:
    """Cron mails what curl says, and nobody takes that mail for a secret."""
    url = f"{cron.office.url}{before}/ping/{cron.tokens['job']}/job-x"
    command = ["curl", "-sS", "-m", "20", "--path-as-is", "-w", "%{http_code}", url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.endswith("404")
    assert cron.tokens["job"] not in told


def test_pings_outlive_a_restart(tmp_path: Path) -> None:
    """After it each task waits one whole timeout, and again for its own pings alone."""
    with Office(tmp_path) as office:
        cron = Cron(office)
        for name in ("job-1", "job-2"):
            cron.ping(f"{name}?every=2s")
    with Office(tmp_path) as office:
        cron.office = office
        until = time.monotonic() + 20
        while cron.task("job-2")["status"] == "up":
            cron.ping("job-1")
            assert time.monotonic() < until
        assert cron.task("job-1")["status"] == "up"
        assert cron.task("job-1")["epoch"] == 1
