"""The same job in each peer's own words: requests as they go over the wire."""

import hashlib
import json
import time
from collections.abc import Iterator

from taskdash_protocol.frames import TASKDASH, Decoder, Message

__all__ = ["TASKDASH", "Decoder", "Message"]

Task = dict[str, str]

STATUSES_AT_REST = ("finish", "failed", "cancelled", "pending", "review")
"""Statuses without heartbeats: a million tasks in them can be left alone."""

# Scripts that a Redis user would write for the same jobs: the task, two indexes, its deadline.
REDIS_REGISTER = """
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
redis.call('SADD', 'user:' .. ARGV[1], KEYS[1])
redis.call('SADD', 'status:' .. ARGV[2], KEYS[1])
redis.call('ZADD', 'deadlines', ARGV[3], KEYS[1])
return 1
"""
REDIS_UPDATE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('unknown') end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZADD', 'deadlines', ARGV[1], KEYS[1])
return 1
"""
REDIS_QUERY = """
local ids = redis.call('SINTER', KEYS[1], KEYS[2])
local page = {}
for i = 1, math.min(#ids, 100) do page[i] = redis.call('HGETALL', ids[i]) end
return page
"""
REDIS_SCRIPTS = (REDIS_REGISTER, REDIS_UPDATE, REDIS_QUERY)


def task(number: int, prefix: str, *, at_rest: bool = False) -> Task:
    status = STATUSES_AT_REST[number % 5] if at_rest else "running"
    return {
        "id": f"{prefix}-{number:07d}",
        "name": "Nightly backup",
        "user": f"user{number // 5 % 100}",
        "group_id": f"group{number % 10}",
        "status": status,
        "description": "3 of 7 volumes done",
        "url": "http://10.0.0.7:8080/",
    }


def request(wire: str, workload: str, one: Task) -> bytes:
    """Encode a request of a workload: register, update, find or query."""
    return _WIRES[wire](workload, one)


# TaskDash and the bare trio server


def frame(operation: str, body: dict[str, object] | Task) -> bytes:
    return TASKDASH.request({"RequestID": operation}, json.dumps(body).encode())


def _frames(workload: str, one: Task) -> bytes:
    if workload == "register":
        return frame("Register", one)
    if workload == "update":
        return frame("Update", {"id": one["id"], "description": "4 of 7 volumes done"})
    if workload == "find":
        return frame("Find", {"id": one["id"]})
    return frame("Query", {"where": {"user": one["user"], "status": one["status"]}, "limit": 100})


# Redis (RESP2)


def resp(*words: str) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"".join(parts)


def script_sha(script: str) -> str:
    """Name a script as EVALSHA wants it."""
    return hashlib.sha1(script.encode()).hexdigest()


def _resp(workload: str, one: Task) -> bytes:
    key, deadline = f"task:{one['id']}", str(time.time() + 30)
    if workload == "register":
        pairs = [word for pair in one.items() for word in pair]
        words = (one["user"], one["status"], deadline, *pairs)
        return resp("EVALSHA", script_sha(REDIS_REGISTER), "1", key, *words)
    if workload == "update":
        change = (deadline, "description", "4 of 7 volumes done")
        return resp("EVALSHA", script_sha(REDIS_UPDATE), "1", key, *change)
    if workload == "find":
        return resp("HGETALL", key)
    keys = (f"user:{one['user']}", f"status:{one['status']}")
    return resp("EVALSHA", script_sha(REDIS_QUERY), "2", *keys)


# etcd: protocol buffers (encoding guide), in gRPC's frame of 5 bytes, in HTTP/2 (RFC 9113)

LEASES = range(1, 1001)
"""Each lease is that of a service, as in an office: etcd takes longer the more keys a lease has."""


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Encode a protocol buffers message of numbers and byte strings."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            out += _varint(number << 3 | 2) + _varint(len(value)) + value
    return out


def _etcd(workload: str, one: Task) -> bytes:
    key = f"task/{one['id']}".encode()
    fields: list[tuple[int, int | bytes]] = [(1, key)]
    if workload != "find":
        lease = LEASES[int(one["id"][-7:]) % len(LEASES)]
        fields += [(2, json.dumps(one).encode()), (3, lease)]
    # The load generator numbers the stream.
    return h2_headers(0, GRPC_PATHS[workload]) + h2_data(0, message(*fields), last=True)


def grpc(body: bytes) -> bytes:
    return b"\0" + len(body).to_bytes(4, "big") + body


H2_DATA, H2_HEADERS, H2_END_STREAM, H2_END_HEADERS = 0, 1, 1, 4
H2_HELLO = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    # SETTINGS: a window that is never full; then the same for the connection; and our ACK.
    + bytes.fromhex("000006 04 00 00000000 0004 7fffffff")
    + bytes.fromhex("000004 08 00 00000000 7fff0000")
    + bytes.fromhex("000000 04 01 00000000")
)


def h2_headers(stream: int, path: str) -> bytes:
    """Open a gRPC call: literal fields that enter no table (RFC 7541 section 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "etcd",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    block = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    return _h2_frame(H2_HEADERS, H2_END_HEADERS, stream, block)


def h2_data(stream: int, body: bytes, *, last: bool = False) -> bytes:
    """Send a gRPC message on an open call."""
    return _h2_frame(H2_DATA, H2_END_STREAM if last else 0, stream, grpc(body))


def h2_frame_size(data: bytes) -> int:
    """Give the size of the frame at the start of some bytes, 0 if it is not there in full."""
    size = 9 + int.from_bytes(data[:3], "big")
    return size if len(data) >= size else 0


def _h2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


GRPC_PATHS = {
    "register": "/etcdserverpb.KV/Put",
    "update": "/etcdserverpb.KV/Put",
    "find": "/etcdserverpb.KV/Range",
    "watch": "/etcdserverpb.Watch/Watch",
    "grant": "/etcdserverpb.Lease/LeaseGrant",
    "keepalive": "/etcdserverpb.Lease/LeaseKeepAlive",
}

# mosquitto (MQTT 3.1.1)

MQTT_PINGREQ = bytes.fromhex("c000")


def mqtt_connect(client: str, keepalive_s: int) -> bytes:
    rest = b"\0\4MQTT\4\2" + keepalive_s.to_bytes(2, "big")
    rest += len(client).to_bytes(2, "big") + client.encode()
    return b"\x10" + bytes([len(rest)]) + rest


_WIRES = {"frames": _frames, "hello": _frames, "resp": _resp, "grpc": _etcd}


OPENING = {"grpc": H2_HELLO, "hello": b""}
"""The bytes that the load generator sends first on each connection, by wire."""


def sign_in_with(token: str) -> None:
    """Let connections of the wire `hello` begin with a token."""
    OPENING["hello"] = frame("Hello", {"protocol": 1, "token": token})


def entries(requests: Iterator[bytes]) -> Iterator[bytes]:
    """Prepare requests for the load generators: each after its length."""
    for one in requests:
        yield len(one).to_bytes(4, "big") + one
