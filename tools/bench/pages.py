"""Open pages of the board, without a browser: somebody signs in, and a websocket is told."""

import base64
import http.client
import json
import os
import socket

PASSWORD = "correct horse"
"""An administrator's, who signs in nowhere without one; of no account for others."""


def cookie(web: str, user: str) -> str:
    connection = http.client.HTTPConnection(web)
    body = json.dumps({"user": user, "name": user, "password": PASSWORD})
    connection.request("POST", "/api/v1/Login", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return answer.headers["set-cookie"].partition(";")[0]


def open_board(web: str, held: str) -> socket.socket:
    host, _, port = web.rpartition(":")
    sock = socket.create_connection((host, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET /ws HTTP/1.1\r\nHost: {web}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nCookie: {held}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1)
    assert b" 101 " in head, head
    return sock
