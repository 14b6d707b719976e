"""The yardstick: a trio task for each connection, our codec both ways, and nothing else.

It decodes each request as the daemon does, keeps what is registered in a dict, and encodes each
reply. It stores nothing, watches nobody and forgets everything: no server in this codec under
trio's stream interface can be faster.
"""

import sys
from contextlib import suppress

import trio

from taskdash_protocol import strictjson
from taskdash_protocol.families.tasks import Register
from taskdash_protocol.frames import Decoder, Message
from taskdash_protocol.requests import REQUESTS

TASKS: dict[str, dict[str, object]] = {}


async def serve(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        await talk(stream)


async def talk(stream: trio.SocketStream) -> None:
    decoder = Decoder()
    async for data in stream:
        decoder.feed(data)
        replies = []
        while (message := decoder.next()) is not None:
            assert isinstance(message, Message)
            assert message.header is not None
            assert decoder.framing is not None
            kind = REQUESTS[message.header["RequestID"]]
            request = kind.parse(strictjson.loads_object(message.body or b"{}"))
            if isinstance(request, Register):
                TASKS[request.id] = dict(request.fields)
                body = {"id": request.id, "errid": 0, "errmsg": "正确"}
            else:
                body = {**TASKS.get(request.id, {}), "errid": 0, "errmsg": "正确"}
            replies.append(decoder.framing.reply(message.header, strictjson.dumps(body)))
        await stream.send_all(b"".join(replies))


async def main() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listeners[0].socket.getsockname()[1], flush=True)
    await trio.serve_listeners(serve, listeners)


if __name__ == "__main__":
    sys.exit(trio.run(main))
