"""The original client in Go, byte for byte: what it sent when it was built from its public source,
and what it was answered."""

import time
from socket import SHUT_RDWR

from processes import Pulse

TIMEOUT_S = 1.0

BEAT = bytes.fromhex("00000010 00000570 00000004 00000000 6e756c6c")
REGISTER = (
    bytes.fromhex("000000ff 00000002 00000018 000000db")
    + rb'{"RequestID":"Register"}'
    + rb'"{\"id\":\"1234567\",\"name\":\"abc\",\"url\":\"http://localhost:8080/v1/task\",'
    + rb"\"user\":\"wsg\",\"group_id\":\"mx\",\"description\":\"add data\","
    + rb'\"status\":\"running\",\"start_time\":\"12:00\",\"stop_time\":\"18:00\"}"'
)
UPDATE = (
    bytes.fromhex("0000004f 00000002 00000016 0000002d")
    + rb'{"RequestID":"Update"}"{\"id\":\"1234567\",\"status\":\"running\"}"'
)
ANSWER = r'"{\"id\":\"1234567\",\"epoch\":1,\"errid\":0,\"errmsg\":\"正确\"}"'.encode()
REGISTERED = (
    bytes.fromhex("00000068 00000004 00000018 00000044") + b'{"RequestID":"Register"}' + ANSWER
)
UPDATED = bytes.fromhex("00000066 00000004 00000016 00000044") + b'{"RequestID":"Update"}' + ANSWER


def test_it_registers_updates_beats_and_is_shut_down_by_its_silence(start):
    daemon = start(heartbeat_timeout=TIMEOUT_S)
    watcher = daemon.connect()
    watcher.watch(where={"id": ["1234567"]})
    old = daemon.connect_tcpx().sock
    old.settimeout(5)
    for sent, answered in ((BEAT + REGISTER, REGISTERED), (UPDATE, UPDATED)):
        old.sendall(sent)
        received = b""
        while len(received) < len(answered):
            received += old.recv(4096)
        assert received == answered
    assert [watcher.event().kind for _ in range(2)] == ["registered", "updated"]
    for _ in range(10):
        old.sendall(BEAT)
        spoke = time.monotonic()
        watcher.beat()
        watcher.silent(TIMEOUT_S / 5)
    old.shutdown(SHUT_RDWR)
    with Pulse(watcher):
        died = watcher.event()
    assert TIMEOUT_S <= died.at - spoke <= TIMEOUT_S + 1
    assert (died.kind, died.task["status"]) == ("shutdown", "shutdown")
    assert (died.task["user"], died.task["stop_time"]) == ("wsg", "18:00")
