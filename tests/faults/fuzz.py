"""Fault 25: coverage-guided fuzzing of every way in (atheris, libFuzzer).

    tools/fuzz web 900          for 900 seconds; likewise `decoder`, `operations`
    tools/fuzz web crash-…      that input again
    tools/fuzz                  all three, a minute each

Inputs worth keeping go to tests/faults/corpus (a line of base64 for each), which `test_corpus` runs
again in every suite. The daemon under the fuzzer is the whole one without sockets, threads or a
real clock (`taskdash.testing.World`); for `web` with the real poller on pairs of sockets.
"""

import struct
import sys
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgpack

from taskdash_protocol.requests import REQUESTS

sys.path.insert(0, str(Path(__file__).parents[1]))

CORPUS: Final = Path(__file__).parent / "corpus"
_FRAMES_MAX: Final = 64
_NAMES: Final = (
    "Hello",
    "Register",
    "Update",
    "Find",
    "Query",
    "Watch",
    "Unwatch",
    "Status",
    "Audit",
)
_OF_PEOPLE: Final = 200
"""Steps from this number on are about people and services."""
_NAMES_OF_PEOPLE: Final = (
    *("Login", "Logout", "People", "SetPerson", "Claim", "Begin", "Release", "Assign", "Submit"),
    *("Approve", "Reject", "Handover", "RegisterService", "ServiceBeat", "Services", "FetchTasks"),
    "Figures",
)
_FURTHER: Final = tuple(name for name in REQUESTS if name not in {*_NAMES, *_NAMES_OF_PEOPLE})
"""All that was declared since; steps from `_OF_FURTHER` on are about them."""
_OF_FURTHER: Final = 234
NAMES: Final = (*_NAMES, *_NAMES_OF_PEOPLE, *_FURTHER)


def run_decoder(data: bytes) -> None:
    """Feed a stream to a decoder, cut where its first bytes say: only the stream may be lost."""
    from taskdash_protocol.errors import FrameError
    from taskdash_protocol.frames import Decoder
    from taskdashd.server.calls import parse

    decoder = Decoder(1 << 16)
    cut = data[0] if data else 1
    stream = data[1:]
    pieces = [stream[at : at + cut + 1] for at in range(0, len(stream), cut + 1)]
    for piece in pieces:
        decoder.feed(piece)
        try:
            while (payload := decoder.next_payload()) is not None:
                parse(decoder, payload)
        except FrameError:
            return
        assert decoder.buffered_bytes <= (1 << 16) + 4 + len(piece)


class Operations:
    """One daemon that is fed request after request, with time that passes in between."""

    def __init__(self) -> None:
        from taskdashd.testing import World

        self._directory = tempfile.TemporaryDirectory()
        self.world = World(Path(self._directory.name), request_rate=None)
        self._runs = 0

    def run(self, data: bytes) -> None:
        """Do what the bytes say; the daemon must answer each request, and log no fault."""
        world, peer = self.world, self.world.connect("fuzz")
        try:
            for step in _steps(data):
                if not peer.open:
                    return
                before = len(peer.replies)
                if isinstance(step, float):
                    world.advance(step)
                    continue
                peer.send_bytes(step)
                world.drain()
                answered = len(peer.replies) - before
                assert answered == 1 or not peer.open, f"{answered} answers to one request"
                reply = peer.replies[-1]
                assert reply["errid"] in (0, 1000, 1001, 1002, 1003, 1004, 1005), reply
                assert reply["errid"] != 1001, reply
                assert "unexpected" not in reply.get("detail", ""), reply
        finally:
            peer.close()
            self._runs += 1
            if self._runs % 5000 == 0:
                world.restart()

    def close(self) -> None:
        """End the daemon."""
        self.world.close()
        self._directory.cleanup()


def _steps(data: bytes) -> Iterator[bytes | float]:
    """Read steps out of bytes: a request with the body that follows, or time that passes."""
    at = 0
    for _ in range(_FRAMES_MAX):
        if at + 3 > len(data):
            return
        what, size = data[at], struct.unpack_from(">H", data, at + 1)[0]
        body, at = data[at + 3 : at + 3 + size], at + 3 + size
        if what >= 250:
            yield (what - 249) / 4
            continue
        names = _names(what)
        name = names[what % len(names)]
        header = {"RequestID": name} if what < 128 else {"RequestID": name, "Seq": what}
        payload = msgpack.packb([2, header, body])
        yield struct.pack(">I", len(payload)) + payload


def _names(what: int) -> tuple[str, ...]:
    """Give the operations of which a step's number names one."""
    # Old names keep their numbers, or the stored seeds would mean other requests.
    if what < _OF_PEOPLE:
        return _NAMES
    return _FURTHER if _FURTHER and what >= _OF_FURTHER else _NAMES_OF_PEOPLE


def seeds(target: str) -> list[bytes]:
    """Give the stored seeds of a target."""
    return [b64decode(line) for line in (CORPUS / f"{target}.txt").read_text().splitlines()]


def unpack(target: str, directory: Path) -> None:
    """Write the seeds to files, as the fuzzer wants them."""
    for number, seed in enumerate(seeds(target)):
        (directory / f"{number:05d}").write_bytes(seed)


def pack(target: str, directory: Path) -> None:
    """Add the files of a directory to the stored seeds of a target."""
    found = {path.read_bytes() for path in directory.iterdir()} | set(seeds(target))
    lines = sorted(b64encode(seed).decode() for seed in found)
    (CORPUS / f"{target}.txt").write_text("\n".join(lines) + "\n")


def step(name: str, body: bytes) -> bytes:
    """Write a step for the corpus."""
    numbers = range(_OF_PEOPLE, 250)
    number = (
        _NAMES.index(name)
        if name in _NAMES
        else next(one for one in numbers if _names(one)[one % len(_names(one))] == name)
    )
    return bytes([number]) + struct.pack(">H", len(body)) + body


def _decoder() -> Callable[[bytes], None]:
    """Give what feeds the decoder; the table of operations must be full before it is asked."""
    from taskdashd.families import load_operations

    load_operations()
    return run_decoder


def _web() -> Callable[[bytes], None]:
    """Give what drives the web face, with its faults as the log tells them."""
    import fuzz_web
    import structlog

    faces = fuzz_web.Faces()
    structlog.configure(processors=[structlog.processors.add_log_level, faces.note])
    return faces.run


TARGETS: Final[dict[str, Callable[[], Callable[[bytes], None]]]] = {
    "decoder": _decoder,
    "operations": lambda: Operations().run,
    "web": _web,
}


def main() -> None:
    """Fuzz one target with the arguments of libFuzzer that follow it; or `unpack` or `pack`."""
    if sys.argv[1] in ("pack", "unpack"):
        move = pack if sys.argv[1] == "pack" else unpack
        move(sys.argv[2], Path(sys.argv[3]))
        return
    if Path(sys.argv[-1]).is_file():
        TARGETS[sys.argv[1]]()(Path(sys.argv[-1]).read_bytes())
        return
    import atheris

    target = sys.argv.pop(1)
    with atheris.instrument_imports(
        include=["taskdashd", "taskdash_protocol"], enable_loader_override=False
    ):
        import taskdashd.daemon  # noqa: F401  # imports every other module
    import structlog

    def loud(*_: object) -> dict[str, object]:
        raise structlog.DropEvent

    structlog.configure(processors=[loud])
    run = TARGETS[target]()
    if target == "web":
        from fuzz_web import mutate

        def mutated(data: bytes, max_size: int, seed: int) -> bytes:
            return mutate(data, max_size, seed, atheris.Mutate)

        atheris.Setup(sys.argv, run, custom_mutator=mutated)
    else:
        atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
