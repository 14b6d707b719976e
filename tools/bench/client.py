"""What the Python client costs: time to import, memory, requests per second, beside redis-py.

    tools/bench/client [--rounds N] [--seconds S]

The same job for both: a durable write of one task (Redis: HSET with `appendfsync always`), and
reading it; one caller, many callers at once, and pipelined. The servers and faces take turns,
round after round; medians are compared. Client and server share the cores: this is about ratios.
What follows is the client's own: the processor time of its process for each pipelined Register,
beside redis-py's for an HSET of the same fields, and for a SET of the same body as JSON.
"""

import argparse
import asyncio
import itertools
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio
import trio
from report import Goal

import taskdash
import taskdash.aio
from taskdash.testing import running_daemon
from taskdash_protocol import conversation
from taskdash_protocol.families.tasks import Find, Register

FIELDS = {"name": "Nightly backup", "user": "wsg", "status": "finish", "description": "3 of 7"}
CALLERS = 16
BATCH = 500

Measure = Callable[[float, Callable[[], Any], int], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    for package in ("taskdash", "taskdash.aio", "redis", "redis.asyncio"):
        seconds, kilobytes = import_cost(package)
        print(f"import {package:<14} {seconds * 1000:6.0f} ms {kilobytes / 1024:7.1f} MiB")
    with running_daemon() as daemon, redis_server() as port:
        rates: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, run in ways(daemon.url, port):
                rates.setdefault(name, []).append(run(options.seconds))
        costs: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, cost_us in costing(daemon.url, port):
                costs.setdefault(name, []).append(cost_us(options.seconds))
    print()
    for name, found in rates.items():
        spread = (max(found) - min(found)) / 2 / statistics.median(found)
        print(f"{name:<34} {statistics.median(found):9,.0f}/s ± {spread:4.0%}")
    print()
    ours, *theirs = (statistics.median(found) for found in costs.values())
    for name, found in costs.items():
        middle = statistics.median(found)
        print(f"{name:34} {middle:5.1f} µs of processor ± {(max(found) - min(found)) / 2:.1f}")
    for name, its in zip(("HSET", "SET"), theirs, strict=False):
        what = f"× redis-py's {name}: a pipelined Register, with msgspec"
        print(Goal(what, ours / its, 0.6, at_most=True).text())


def import_cost(package: str) -> tuple[float, int]:
    """Median seconds, and the growth of resident memory, of an import in a fresh interpreter."""
    code = (
        "import time; rss = lambda: int(open('/proc/self/statm').read().split()[1]) * 4;"
        f" a = rss(); t = time.perf_counter(); import {package};"
        " print(time.perf_counter() - t, rss() - a)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(7)
    ]
    pairs = [tuple(map(float, run.stdout.split())) for run in runs]
    return statistics.median(p[0] for p in pairs), int(statistics.median(p[1] for p in pairs))


@contextmanager
def redis_server() -> Iterator[int]:
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is missing; run: sudo apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [program, "--port", str(port), "--dir", directory, "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "always"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=port)
        try:
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
            yield port
        finally:
            client.close()
            server.kill()
            server.wait()


def ways(url: str, port: int) -> Iterator[tuple[str, Callable[[float], float]]]:
    yield "register, one caller: taskdash", lambda s: synchronous(url, s, True)
    yield "register, one caller: redis-py", lambda s: redis_synchronous(port, s, True)
    yield "find, one caller: taskdash", lambda s: synchronous(url, s, False)
    yield "find, one caller: redis-py", lambda s: redis_synchronous(port, s, False)
    yield "find, asyncio: taskdash", lambda s: asyncio.run(asynchronous(url, s))
    yield "find, trio: taskdash", lambda s: trio.run(asynchronous, url, s)
    yield "find, asyncio: redis-py", lambda s: asyncio.run(redis_asynchronous(port, s))
    yield f"find, asyncio ×{CALLERS}: taskdash", lambda s: asyncio.run(many(url, s))
    yield f"find, asyncio ×{CALLERS}: redis-py", lambda s: asyncio.run(redis_many(port, s))
    yield "register, pipelined: taskdash", lambda s: pipelined(url, s, True)
    yield "register, pipelined: redis-py", lambda s: redis_pipelined(port, s, True)
    yield "find, pipelined: taskdash", lambda s: pipelined(url, s, False)
    yield "find, pipelined: redis-py", lambda s: redis_pipelined(port, s, False)


def costing(url: str, port: int) -> Iterator[tuple[str, Callable[[float], float]]]:
    yield "Register: taskdash", lambda s: pipelined(url, s, True, cost_us)
    yield "HSET: redis-py", lambda s: redis_pipelined(port, s, True, cost_us)
    yield "SET: redis-py", lambda s: redis_set(port, s, cost_us)
    yield "Register: taskdash, no msgspec", lambda s: without_msgspec(url, s)


def cost_us(seconds: float, step: Callable[[], Any], each: int = 1) -> float:
    """Repeat a step for so long; give this process's processor time for a request, in µs."""
    for _ in range(2):
        step()
    ends_at, began = time.perf_counter() + seconds, time.process_time()
    for number in itertools.count(1):
        step()
        if time.perf_counter() >= ends_at:
            return (time.process_time() - began) / number / each * 1e6
    raise AssertionError


def rate(seconds: float, step: Callable[[], Any], each: int = 1) -> float:
    """Repeat a step for so long; give how many requests a second it did."""
    step()
    began = time.perf_counter()
    for number in itertools.count(1):
        step()
        took = time.perf_counter() - began
        if took >= seconds:
            return number * each / took
    raise AssertionError


def synchronous(url: str, seconds: float, writes: bool) -> float:
    with taskdash.connect(url) as dash:
        dash.register("bench", **FIELDS)
        if writes:
            return rate(seconds, lambda: dash.register("bench", **FIELDS))
        return rate(seconds, lambda: dash.find("bench"))


def redis_synchronous(port: int, seconds: float, writes: bool) -> float:
    with redis.Redis(port=port, decode_responses=True) as client:
        client.hset("bench", mapping=FIELDS)
        if writes:
            return rate(seconds, lambda: client.hset("bench", mapping=FIELDS))
        return rate(seconds, lambda: client.hgetall("bench"))


async def asynchronous(url: str, seconds: float) -> float:
    async with taskdash.aio.connect(url) as dash:
        await dash.register("bench", **FIELDS)
        began, number = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < seconds:
            await dash.find("bench")
            number += 1
        return number / took


async def redis_asynchronous(port: int, seconds: float) -> float:
    async with redis.asyncio.Redis(port=port, decode_responses=True) as client:
        await client.hset("bench", mapping=FIELDS)
        began, number = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < seconds:
            await client.hgetall("bench")
            number += 1
        return number / took


async def many(url: str, seconds: float) -> float:
    async with taskdash.aio.connect(url) as dash:
        await dash.register("bench", **FIELDS)
        return await _together(lambda: dash.find("bench"), seconds)


async def redis_many(port: int, seconds: float) -> float:
    async with redis.asyncio.Redis(port=port, decode_responses=True) as client:
        await client.hset("bench", mapping=FIELDS)
        return await _together(lambda: client.hgetall("bench"), seconds)


async def _together(call: Callable[[], Any], seconds: float) -> float:
    began, number = time.perf_counter(), 0

    async def caller() -> None:
        nonlocal number
        while time.perf_counter() - began < seconds:
            await call()
            number += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return number / (time.perf_counter() - began)


def pipelined(url: str, seconds: float, writes: bool, measure: Measure = rate) -> float:
    with taskdash.connect(url) as dash:
        dash.register("bench", **FIELDS)
        request = Register.parse({"id": "bench", **FIELDS}) if writes else Find("bench")
        return measure(
            seconds, lambda: sum(1 for _ in dash.pipeline(itertools.repeat(request, BATCH))), BATCH
        )


def without_msgspec(url: str, seconds: float) -> float:
    """Measure a pipelined Register as where msgspec is not installed."""
    reader, conversation._reader = conversation._reader, lambda: conversation.none_is_plain
    try:
        return pipelined(url, seconds, True, cost_us)
    finally:
        conversation._reader = reader


def redis_pipelined(port: int, seconds: float, writes: bool, measure: Measure = rate) -> float:
    with redis.Redis(port=port, decode_responses=True) as client:
        client.hset("bench", mapping=FIELDS)

        def step() -> None:
            with client.pipeline(transaction=False) as pipe:
                for _ in range(BATCH):
                    pipe.hset("bench", mapping=FIELDS) if writes else pipe.hgetall("bench")
                pipe.execute()

        return measure(seconds, step, BATCH)


def redis_set(port: int, seconds: float, measure: Measure) -> float:
    body = conversation.encode(Register.parse({"id": "bench", **FIELDS}))
    with redis.Redis(port=port, decode_responses=True) as client:

        def step() -> None:
            with client.pipeline(transaction=False) as pipe:
                for _ in range(BATCH):
                    pipe.set("bench:body", body)
                pipe.execute()

        return measure(seconds, step, BATCH)


if __name__ == "__main__":
    os.environ.pop("TASKDASH_URL", None)
    main()
