"""The client in C, which was written from PROTOCOL.md alone: against the vectors and the daemon."""

import json
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import IO, Any

import msgpack
import pytest
from vectors import load

from taskdash.testing import RunningDaemon, running_daemon

SOURCE = Path(__file__).parents[2] / "protocol" / "examples" / "c"
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
# A client that reports an error exits with 1, so a sanitizer's report must not.
ENV = {"ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "exitcode=99", "LC_ALL": "C.UTF-8"}
LONGEST_S = 20

# Vectors of our framing: a decoder on either side judges valid, malformed and fatal alike. Leave
# out those of the original framing, since a client chooses the framing that it speaks.
FRAMES = [vector for vector in load("frames") if vector["framing"] == "taskdash"]


def compiler(folder: Path, *flags: str) -> subprocess.Popen[str]:
    if shutil.which("cc") is None:
        pytest.fail("there is no cc: apt-get install gcc libc6-dev", pytrace=False)
    (strict,) = [
        line.partition("=")[2].split()
        for line in (SOURCE / "Makefile").read_text().splitlines()
        if line.startswith("STRICT =")
    ]
    sources = [SOURCE / "example.c", SOURCE / "taskdash.c"]
    command = ["cc", *strict, *flags, "-o", folder / "taskdash-example", *sources]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)


def built(compiling: subprocess.Popen[str], folder: Path) -> Path:
    assert compiling.stderr is not None
    err = compiling.stderr.read()
    assert (compiling.wait(), err) == (0, "")
    return folder / "taskdash-example"


@pytest.fixture(scope="module")
def compiling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Both builds of the client, begun at once."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("plain", "sanitized")}
    flags = {"plain": [], "sanitized": SANITIZE}
    begun = {name: compiler(folder, *flags[name]) for name, folder in folders.items()}
    yield {name: (begun[name], folders[name]) for name in folders}
    for process in begun.values():
        with process:
            process.kill()


@pytest.fixture(scope="module")
def program(compiling: dict[str, Any]) -> Path:
    return built(*compiling["plain"])


@pytest.fixture(scope="module")
def sanitized(compiling: dict[str, Any]) -> Path:
    return built(*compiling["sanitized"])


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with running_daemon(tmp_path_factory.mktemp("data")) as daemon:
        yield daemon


@contextmanager
def started(program: Path, port: int, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run the client until the context ends; one that hangs is killed, which ends every read."""
    command = [program, "127.0.0.1", str(port), *args]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENV) as process:
        killer = threading.Timer(LONGEST_S, process.kill)
        killer.start()
        try:
            yield process
        finally:
            killer.cancel()
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the client's end; give exit code, stdout and stderr."""
    out, err = process.communicate()
    assert "Sanitizer" not in err, err
    assert "runtime error" not in err, err
    return process.returncode, out, err


def run(program: Path, port: int, *args: str) -> tuple[int, str, str]:
    with started(program, port, *args) as process:
        return ended(process)


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def judge(program: Path, streams: Iterable[bytes]) -> list[str]:
    """Give the verdict of the program `vectors` on each stream."""
    lines = [stream.hex() for stream in streams]
    done = subprocess.run(
        [program, "vectors"], input="\n".join(lines) + "\n", capture_output=True, text=True, env=ENV
    )
    assert (done.returncode, done.stderr) == (0, "")
    verdicts = done.stdout.splitlines()
    assert len(verdicts) == len(lines)
    return verdicts


def frame(message_id: int, header: Any, body: Any) -> bytes:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    payload = msgpack.packb([message_id, header, body])
    return len(payload).to_bytes(4, "big") + payload


# --- Vectors


def check(vector: dict[str, Any], verdict: str) -> None:
    if not vector["valid"]:
        assert verdict == ("fatal" if vector["fatal"] else "malformed")
        return
    said = []
    for each in verdict.split(" | "):
        word, message_id, header, body, kind = each.split(" ")
        assert (word, kind) == ("ok", "object")
        text = None if body == "nil" else bytes.fromhex(body).decode()
        said.append((int(message_id), msgpack.unpackb(bytes.fromhex(header)), text))
    wanted = [(m["message_id"], m["header"], m["body"]) for m in vector["messages"]]
    assert repr(said) == repr(wanted)  # True is not 1


@pytest.mark.parametrize("build_name", ["program", "sanitized"])
def test_every_golden_frame_is_decoded(build_name: str, request: pytest.FixtureRequest) -> None:
    """The decoder finds in each vector of our framing what the vector says."""
    built = request.getfixturevalue(build_name)
    verdicts = judge(built, [bytes.fromhex(vector["hex"]) for vector in FRAMES])
    assert len(FRAMES) > 40
    for vector, verdict in zip(FRAMES, verdicts, strict=True):
        check(vector, verdict)


def test_a_frame_cut_anywhere_is_partial(program: Path) -> None:
    """No frame is judged before its last byte, but for its length."""
    frames = [bytes.fromhex(vector["hex"]) for vector in FRAMES if not vector.get("fatal")]
    frames = [data for data in frames if int.from_bytes(data[:4], "big") == len(data) - 4]
    cut = [data[:end] for data in frames for end in range(len(data))]
    assert set(judge(program, cut)) == {"partial"}


def test_a_payload_cut_anywhere_is_malformed(sanitized: Path) -> None:
    """A payload that ends before its last element does is no message, and no reason to read on."""
    payloads = [
        bytes.fromhex(vector["hex"])[4:]
        for vector in FRAMES
        if vector["valid"] and len(vector["messages"]) == 1
    ]
    cut = [payload[:end] for payload in payloads for end in range(1, len(payload))]
    frames = [len(payload).to_bytes(4, "big") + payload for payload in cut]
    assert set(judge(sanitized, frames)) == {"malformed"}


def test_frames_joined_mean_what_each_means(program: Path) -> None:
    """Valid and malformed frames follow one another in one read; a fatal one ends it."""
    frames = [bytes.fromhex(vector["hex"]) for vector in FRAMES if not vector.get("fatal")]
    apart = judge(program, frames)
    assert judge(program, [b"".join(frames) + bytes(4) + frames[0]]) == [
        " | ".join([*apart, "fatal"])
    ]


def is_object(body: bytes) -> bool:
    """Tell what Python's reader says, which by itself would take NaN and lone surrogates."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        value = json.loads(body.decode(), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return False
    return isinstance(value, dict)


def test_json_is_read_strictly(sanitized: Path) -> None:
    """A body is an object where RFC 8259 says so, and the reader stays inside it."""
    rng, noise = random.Random(8259), b'\x00"\\{}[]:,09.-eEu\x80\xed\xff'
    good = [
        b'{"a":[1,-0.5e+3,true,false,null,{}, []],"b":{"\\ud83d\\ude00\\n":"\xe6\xad\xa3"}}',
        b' {"tasks" : [{"id":"7","rev":1} ,\n{"id":"8"}],"next":null,"errid":0} ',
    ]
    bodies = [
        b'{"a":"\\ud83d%s"}' % half for half in (b"", b"\\ue000", b"\\u0020", b"\\ud83d", b"u")
    ]
    bodies += [
        msgpack.unpackb(bytes.fromhex(vector["hex"])[4:])[2] for vector in load("requests")
    ] + good
    for _ in range(3000):
        body = bytearray(rng.choice(good))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(body))
            body[at : at + rng.randint(0, 2)] = rng.choice(noise).to_bytes()
        bodies.append(bytes(body[: rng.choice([None, rng.randrange(len(body))])]))
    verdicts = judge(sanitized, [frame(2, {}, body) for body in bodies])
    for body, verdict in zip(bodies, verdicts, strict=True):
        assert verdict.endswith(" object") == (body is None or is_object(body)), body


def test_no_mutation_leads_the_decoder_astray(sanitized: Path) -> None:
    """Whatever a frame holds, the decoder gives a verdict and reads no byte outside of it."""
    rng = random.Random(13920)
    frames = [bytes.fromhex(vector["hex"]) for vector in FRAMES]
    streams = []
    for _ in range(5000):
        data = bytearray(rng.choice(frames))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(min(len(data), 64))] = rng.choice([rng.randrange(256), 0xFF, 0xC1])
        if len(data) > 4 and rng.random() < 0.9:
            data[:4] = (len(data) - 4).to_bytes(4, "big")
        streams.append(bytes(data))
    words = {verdict.split(" ")[0] for verdict in judge(sanitized, streams)}
    assert words == {"ok", "partial", "malformed", "fatal"}


# --- The daemon


def test_run_tells_of_its_progress_and_its_end(program: Path, daemon: RunningDaemon) -> None:
    """A run registers, updates each second and finishes; a watch sees it in that order."""
    name = '跑 "it\\\'s"'
    with started(program, daemon.port, "watch") as watch:
        assert line(watch.stderr).startswith("watching from rev ")
        assert run(program, daemon.port, "run", "r-1", name, "1.1") == (0, "", "")
        events = [json.loads(line(watch.stdout)) for _ in range(3)]
    assert [event["kind"] for event in events] == ["registered", "updated", "updated"]
    tasks = [event["task"] for event in events]
    assert [task["status"] for task in tasks] == ["running", "running", "finish"]
    assert {task["name"] for task in tasks} == {name}
    assert 90 <= tasks[1]["progress"] < tasks[2]["progress"] == 100


def test_find_prints_the_task_and_nothing_of_the_reply(
    program: Path, daemon: RunningDaemon
) -> None:
    """Find prints the task as JSON, without errid and errmsg."""
    run(program, daemon.port, "run", "f-1", "n", "0")
    code, out, err = run(program, daemon.port, "find", "f-1")
    assert (code, err) == (0, "")
    task = json.loads(out)
    assert task["id"] == "f-1"
    assert task["status"] == "finish"
    assert not {"errid", "errmsg"} & set(task)


def test_an_error_reply_is_told_in_full(program: Path, daemon: RunningDaemon) -> None:
    """An errid ends the program with 1; errid, errmsg and detail are on stderr."""
    code, out, err = run(program, daemon.port, "find", "nobody")
    assert (code, out) == (1, "")
    assert err == "taskdash-example: 1002 不存在该任务id: no task has the id 'nobody'\n"


def test_query_gives_all_pages(program: Path, daemon: RunningDaemon) -> None:
    """A query follows the cursor until there is none, and gives each task once."""
    with socket.create_connection(("127.0.0.1", daemon.port)) as connection:
        for number in range(150):
            body = {"id": f"q-{number:03}", "name": "n", "user": "many" if number < 130 else "few"}
            connection.sendall(frame(2, {"RequestID": "Register"}, body))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    code, out, err = run(program, daemon.port, "query", "user=many")
    assert (code, err) == (0, "")
    ids = [json.loads(line)["id"] for line in out.splitlines()]
    assert ids == [f"q-{number:03}" for number in range(130)]


def test_watch_resumes_where_it_ended(program: Path, daemon: RunningDaemon) -> None:
    """Between the last rev seen and a watch since it, no change is lost and none told twice."""
    with started(program, daemon.port, "watch") as watch:
        rev = int(line(watch.stderr).removeprefix("watching from rev "))
        run(program, daemon.port, "run", "w-1", "n", "0")
        seen = [json.loads(line(watch.stdout)) for _ in range(2)]
    run(program, daemon.port, "run", "w-2", "n", "0")
    with started(program, daemon.port, "watch", str(seen[-1]["rev"])) as watch:
        seen += [json.loads(line(watch.stdout)) for _ in range(2)]
    assert [event["task"]["id"] for event in seen] == ["w-1", "w-1", "w-2", "w-2"]
    revs = [event["rev"] for event in seen]
    assert [rev, *revs] == sorted({rev, *revs})


@pytest.mark.parametrize(
    ("number", "timeout", "why"),
    [
        (SIGTERM, "30", "1005 the daemon says goodbye: "),
        (SIGKILL, "30", "the daemon closed the connection\n"),
        (SIGSTOP, "0.6", "the daemon gives no sign of life\n"),
    ],
)
def test_a_daemon_that_goes_away_ends_a_run_and_a_watch(
    number: Signals, timeout: str, why: str, program: Path, tmp_path: Path
) -> None:
    """Both say what happened, and from where to resume, and exit with 1; they do not hang."""
    with (
        running_daemon(tmp_path, heartbeat_timeout=timeout) as daemon,
        started(program, daemon.port, "watch", "0") as watch,
        started(program, daemon.port, "run", "1", "n", "60") as running,
    ):
        line(watch.stdout)
        daemon.signal(number)
        hint = "watching from rev 0\nresume with: watch 1\n"
        for process, before in (running, ""), (watch, hint):
            code, _, err = ended(process)
            assert code == 1
            assert err.startswith(f"{before}taskdash-example: {why}")


def test_a_session_leaves_the_sanitizers_silent(sanitized: Path, daemon: RunningDaemon) -> None:
    """Run, find, query and a refusal, with every access and every allocation checked."""
    assert run(sanitized, daemon.port, "run", "s-1", "n", "0.1") == (0, "", "")
    assert run(sanitized, daemon.port, "find", "s-1")[0] == 0
    assert run(sanitized, daemon.port, "query", "name=n")[0] == 0
    assert run(sanitized, daemon.port, "query", "colour=red")[0] == 1


# --- A daemon of the test's own


class Played:
    """The daemon of one client: reads its frames, and answers as the test says."""

    def __init__(self, program: Path, *args: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(LONGEST_S)
            self.running = started(program, server.getsockname()[1], *args)
            self.process = self.running.__enter__()
            self.connection, _ = server.accept()
        self.connection.settimeout(LONGEST_S)
        self.stream = self.connection.makefile("rb")

    def heard(self) -> Any:
        """Read the next frame: message_id, header, body."""
        length = int.from_bytes(self.stream.read(4), "big")
        return msgpack.unpackb(self.stream.read(length))

    def hello(self, **changed: Any) -> None:
        _, header, body = self.heard()
        assert (header["RequestID"], json.loads(body)["protocol"]) == ("Hello", 1)
        reply = {"errid": 0, "heartbeat_timeout": 30.0, "heartbeat_interval": 10, "max_frame": 4096}
        self.say(frame(2, header, {**reply, **changed}))

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def end(self) -> tuple[int, str, str]:
        """Close, and give exit code, stdout and stderr of the client."""
        self.connection.shutdown(socket.SHUT_WR)
        try:
            return ended(self.process)
        finally:
            self.stream.close()
            self.connection.close()
            self.running.__exit__(None, None, None)


def test_a_client_beats_while_it_waits_for_a_reply(sanitized: Path) -> None:
    """Heartbeats go on at Hello's interval while a reply is awaited."""
    played = Played(sanitized, "run", "1", "n", "0")
    played.hello(heartbeat_interval=0.05)
    _, registered, _ = played.heard()
    for _ in range(3):
        beat = played.heard()
        assert beat[0] == 1392
        played.say(frame(1392, beat[1], None))
    # Send one byte at a time, among events: of a watch, of none, and of kinds yet to be invented.
    replies = frame(3, {"Watch": 1}, {"rev": 1}) + frame(3, {"New": 1}, None) + frame(7, None, "x")
    replies += frame(2, registered, {"errid": 0, "id": "1", "epoch": 3})
    for at in range(len(replies)):
        played.say(replies[at : at + 1])
    while (update := played.heard())[0] == 1392:
        pass
    assert json.loads(update[2]) == {"id": "1", "status": "finish", "progress": 100, "epoch": 3}
    played.say(frame(2, update[1], {"errid": 0}))
    assert played.end() == (0, "", "")


def bye(detail: str) -> bytes:
    return frame(3, {"Bye": True}, {"errid": 1005, "detail": detail})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "the daemon closed the connection"),
        (frame(2, {}, {"errid": 0})[:-1], "the daemon closed the connection"),
        (bytes(4), "the daemon sent an impossible length"),
        (b"\xff\xff\xff\xff", "the daemon sent an impossible length"),
        (b"\x04\x00\x00\x01", "the daemon sent an impossible length"),
        (b"\x00\x00\x00\x01\xc1", "the daemon sent a malformed frame"),
        (frame(2, {"Seq": 2}, {"errid": 0}), "the daemon sent a reply out of its order"),
        (frame(2, {"Seq": "1"}, {"errid": 0}), "the daemon sent a reply out of its order"),
        (frame(2, {}, None), "the daemon sent a reply that is no JSON object with an errid"),
        (frame(2, {}, b""), "the daemon sent a reply that is no JSON object with an errid"),
        (frame(2, {}, {}), "the daemon sent a reply that is no JSON object with an errid"),
        (frame(2, {}, b'{"errid":1e999}'), "the daemon sent a reply that is no JSON object"),
        (frame(2, {}, b'{"errid":"0"}'), "the daemon sent a reply that is no JSON object"),
        (frame(2, {}, b'{"errid":0,"x":' + b"[" * 500_000), "the daemon sent a reply that is no"),
        (frame(2, {}, b'{"errid":0,"x":"' + b"\\" * 99_999), "the daemon sent a reply that is no"),
        (frame(2, {}, {"errid": 0}), "the reply to Hello lacks what a client must know"),
        (frame(2, {}, {"errid": 1005, "errmsg": "m" * 99, "detail": "d"}), f"1005 {'m' * 63}: d"),
        (frame(2, {}, {"errid": 1, "errmsg": 5, "detail": "正" * 999}), f"1 {'正' * 170}\n"),
        (bye("a\x1b[2J\n\x7f"), "1005 the daemon says goodbye: a?[2J??\n"),
        (frame(3, {"Bye": False}, b"\xff"), "the daemon says goodbye: \n"),
        (frame(3, {"Watch": 1}, b'["x"]'), "the daemon sent an event that is no JSON object"),
    ],
)
def test_a_bad_reply_is_an_error_and_nothing_worse(said: bytes, why: str, sanitized: Path) -> None:
    """Whatever comes in the place of a reply, the client says in one line what was wrong."""
    played = Played(sanitized, "find", "1")
    played.heard()
    played.say(said)
    code, out, err = played.end()
    assert (code, out) == (1, "")
    assert err.startswith(f"taskdash-example: {why}")
    assert err.count("\n") == 1


def test_a_page_that_is_none_prints_nothing(sanitized: Path) -> None:
    """Members of an unexpected type are no tasks and no cursor."""
    played = Played(sanitized, "query", "user=x")
    played.hello()
    _, header, body = played.heard()
    assert json.loads(body) == {"where": {"user": "x"}, "after": None}
    played.say(frame(2, header, {"errid": 0, "tasks": "x", "next": 7}))
    assert played.end() == (0, "", "")


def test_a_request_that_the_daemon_would_not_take_is_not_sent(sanitized: Path) -> None:
    """Hello's max_frame bounds what the client sends; a reply may be longer."""
    played = Played(sanitized, "find", "x" * 4096)
    played.hello()
    assert played.end() == (1, "", "taskdash-example: the request is too long\n")
    played = Played(sanitized, "find", "1")
    played.hello()
    _, header, _ = played.heard()
    played.say(frame(2, header, {"errid": 0, "id": "1", "x": "y" * 99_999}))
    code, out, err = played.end()
    assert (code, err) == (0, "")
    assert json.loads(out) == {"id": "1", "x": "y" * 99_999}
