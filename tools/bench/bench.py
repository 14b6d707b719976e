"""Durable Register, and Find: TaskDash beside Redis and a bare trio server, in one run.

Each peer is started on loopback on one core, the load generator on the other. The peers take
turns, round after round, so that a noisy machine is unfair to all alike; medians are compared.
"""

import argparse
import hashlib
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskdash_protocol.frames import TASKDASH

HERE = Path(__file__).parent
LOAD = HERE / ".build" / "load"
SHAPES = ((1, 1), (1, 16), (64, 1), (64, 16))
FIND_IDS = 10_000
SERVER_CORE, LOAD_CORE = 0, 1
WARMUP_S = 0.5

# What a Redis user would write for the same job: the task, its two indexes, its deadline.
SCRIPT = """
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('SADD', 'user:' .. ARGV[1], KEYS[1])
redis.call('SADD', 'status:' .. ARGV[2], KEYS[1])
redis.call('ZADD', 'deadlines', ARGV[3], KEYS[1])
return 1
"""
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode()).hexdigest()  # what EVALSHA wants


def task(number: int, prefix: str) -> dict[str, str]:
    return {
        "id": f"{prefix}-{number:07d}",
        "name": "Nightly backup",
        "user": f"user{number % 100}",
        "group_id": f"group{number % 10}",
        "status": "running",
        "description": "3 of 7 volumes done",
        "url": "http://10.0.0.7:8080/",
    }


def frame(operation: str, body: dict[str, str]) -> bytes:
    return TASKDASH.request({"RequestID": operation}, json.dumps(body).encode())


def resp(*words: str) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"".join(parts)


def redis_register(one: dict[str, str]) -> bytes:
    pairs = [word for pair in one.items() for word in pair]
    arguments = (one["user"], one["status"], str(time.time() + 30), *pairs)
    return resp("EVALSHA", SCRIPT_SHA, "1", f"task:{one['id']}", *arguments)


class Peer:
    """A server under test."""

    def __init__(self, name: str, wire: str, port: int) -> None:
        self.name, self.wire, self.port = name, wire, port

    def request(self, workload: str, number: int, prefix: str) -> bytes:
        """Encode a request of a workload."""
        one = task(number, prefix)
        if self.wire == "frames":
            if workload == "register":
                return frame("Register", one)
            return frame("Find", {"id": one["id"]})
        if workload == "register":
            return redis_register(one)
        return resp("HGETALL", f"task:{one['id']}")

    def load(
        self, workload: str, shape: tuple[int, int], seconds: float, prefix: str, count: int
    ) -> float:
        """Measure requests a second; a reply that is an error ends the benchmark."""
        with tempfile.NamedTemporaryFile(suffix=".requests") as file:
            for number in range(count):
                request = self.request(workload, number, prefix)
                file.write(struct.pack(">I", len(request)) + request)
            file.flush()
            shape_words = [str(number) for number in (*shape, WARMUP_S, seconds)]
            command = ["taskset", "-c", str(LOAD_CORE), str(LOAD), "127.0.0.1", str(self.port)]
            result = subprocess.run(
                [*command, *shape_words, self.wire, file.name], capture_output=True, text=True
            )
        if result.returncode:
            raise SystemExit(f"{self.name} {workload} {shape}: {result.stdout}{result.stderr}")
        return float(json.loads(result.stdout)["rate"])


@contextmanager
def process(*command: str, **kwargs: object) -> Iterator[subprocess.Popen[str]]:
    pinned = ["taskset", "-c", str(SERVER_CORE), *command]
    running = subprocess.Popen(pinned, text=True, **kwargs)  # type: ignore[call-overload]
    try:
        yield running
    finally:
        running.terminate()
        running.wait(15)
        for stream in (running.stdout, running.stderr):
            if stream:
                stream.close()


@contextmanager
def taskdashd(data: Path) -> Iterator[Peer]:
    command = [sys.executable, "-m", "taskdashd", "run", "--listen", "127.0.0.1:0"]
    with process(*command, "--data", str(data), stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        address = ""
        for line in running.stderr:
            event = json.loads(line)
            if event["event"] == "listening":
                address = event["address"]
            if event["event"] == "ready":
                break
        yield Peer("taskdashd", "frames", int(address.rpartition(":")[2]))


@contextmanager
def bare_trio(data: Path) -> Iterator[Peer]:
    command = [sys.executable, str(HERE / "bare_trio.py")]
    with process(*command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        yield Peer("bare trio", "frames", int(running.stdout.readline()))


@contextmanager
def redis(data: Path) -> Iterator[Peer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data.mkdir()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    with process(*command, *durable, stdout=subprocess.DEVNULL):
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as sock:
                    sock.sendall(resp("SCRIPT", "LOAD", SCRIPT))
                    assert SCRIPT_SHA.encode() in sock.recv(4096)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield Peer("Redis", "resp", port)


PEERS = {"taskdashd": taskdashd, "Redis": redis, "bare trio": bare_trio}


def measure(
    workload: str, shape: tuple[int, int], rounds: int, seconds: float, where: Path
) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in PEERS}
    for turn in range(rounds):
        for name, start in PEERS.items():
            data = Path(tempfile.mkdtemp(dir=where))
            try:
                with start(data / "data") as peer:
                    if workload == "find":
                        # Known first, in the same way for all.
                        peer.load("register", (16, 16), -FIND_IDS, "known", FIND_IDS)
                        rate = peer.load("find", shape, seconds, "known", FIND_IDS)
                    else:
                        count = 20_000 if shape == (1, 1) else 200_000
                        rate = peer.load("register", shape, seconds, f"new{turn}", count)
                rates[name].append(rate)
            finally:
                shutil.rmtree(data)
    return rates


def cell(rates: list[float]) -> str:
    spread = (max(rates) - min(rates)) / 2
    return f"{statistics.median(rates):>8,.0f} ±{spread / statistics.median(rates):>4.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--only", default="", help="register or find")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    print(f"requests a second, median of {options.rounds} rounds ± half the range\n")
    head = f"{'':9} {'conns×depth':>11}  " + "  ".join(f"{name:>14}" for name in PEERS)
    print(head + f"  {'of Redis':>8}  {'of trio':>8}")
    for workload in ("register", "find"):
        if not workload.startswith(options.only):
            continue
        for shape in SHAPES:
            rates = measure(workload, shape, options.rounds, options.seconds, options.dir)
            ours, redis_, bare = (statistics.median(one) for one in rates.values())
            row = f"{workload:9} {f'{shape[0]}×{shape[1]}':>11}  "
            row += "  ".join(f"{cell(one):>14}" for one in rates.values())
            print(f"{row}  {ours / redis_:>8.2f}  {ours / bare:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
