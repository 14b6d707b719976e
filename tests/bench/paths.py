"""The hot paths in one process, to count instructions on: run by `test_instructions` in callgrind.

    valgrind --tool=callgrind python paths.py LIBRARY DIRECTORY

A whole daemon without sockets answers batches like those that many pipelining clients send.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import orjson

from taskdash_protocol.frames import TASKDASH
from taskdashd.server import inbox
from taskdashd.testing import Peer, World

CONNECTIONS, DEPTH, BATCHES = 8, 16, 4
KNOWN = CONNECTIONS * DEPTH
REQUESTS = KNOWN * BATCHES


def task(number: int) -> dict[str, Any]:
    return {
        "id": f"task-{number:07d}",
        "name": "Nightly backup",
        "user": f"user{number % 100}",
        "group_id": f"group{number % 10}",
        "status": "running",
        "description": "3 of 7 volumes done",
        "url": "http://10.0.0.7:8080/",
    }


def frame(operation: str, number: int, *, seq: bool) -> bytes:
    header = {"RequestID": operation} | ({"Seq": number} if seq else {})
    one = task(number)
    body = {
        "Register": one,
        "Update": {"id": one["id"], "description": f"{number} of 7 volumes done"},
        "Find": {"id": one["id"]},
    }
    return TASKDASH.request(header, orjson.dumps(body[operation]))


def batches(operation: str, first: int, *, seq: bool = False) -> list[bytes]:
    """Prepare the bytes that each connection sends in one go, a batch for each connection."""
    numbers = range(first, first + REQUESTS)
    if operation != "Register":
        numbers = range(REQUESTS)
    frames = [frame(operation, number % (first + KNOWN), seq=seq) for number in numbers]
    return [b"".join(frames[at : at + DEPTH]) for at in range(0, REQUESTS, DEPTH)]


def answer(world: World, peers: list[Peer], sent: list[bytes]) -> None:
    for at in range(0, len(sent), CONNECTIONS):
        for peer, data in zip(peers, sent[at : at + CONNECTIONS], strict=True):
            peer.send_bytes(data)
        world.drain()


def reference(sent: list[bytes]) -> None:
    """Do the least work that any server must do, in plain Python over the same libraries."""
    for data in sent:
        at, out = 0, []
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "big")
            message_id, header, body = msgpack.unpackb(data[at + 4 : at + 4 + size])
            fields = {**orjson.loads(body), "rev": at}
            reply = msgpack.packb([message_id, header, orjson.dumps(fields)])
            out.append(len(reply).to_bytes(4, "big") + reply)
            at += 4 + size
        b"".join(out)


def main(library: str, directory: str) -> None:
    calls = ctypes.CDLL(library)

    @contextmanager
    def counted(what: str) -> Iterator[None]:
        calls.begin()
        yield
        calls.end(what.encode())

    # In callgrind a request takes as long as a batch may: have none cut short by that.
    inbox.BATCH_S = 60.0  # type: ignore[misc]
    world = World(Path(directory))
    peers = [world.connect(f"peer {number}") for number in range(CONNECTIONS)]
    for peer in peers:
        # Drop the output, as a socket would take it: other tests look at what is in it.
        peer.take = lambda _data: None  # type: ignore[method-assign]
    answer(world, peers, batches("Register", 0))
    registers = batches("Register", REQUESTS)
    with counted("reference"):
        reference(registers)
    with counted("register"):
        answer(world, peers, registers)
    for what, operation, seq in (
        ("update", "Update", False),
        ("find", "Find", True),
        ("find-again", "Find", False),
    ):
        sent = batches(operation, 0, seq=seq)
        answer(world, peers, sent)
        with counted(what):
            answer(world, peers, sent)
    world.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
