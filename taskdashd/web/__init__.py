"""The HTTP and websocket face: the same operations, for browsers and scripts. No rules of its own.

h11 does the HTTP and wsproto the websockets, both without I/O; the code here drives them. A Pi
serves hundreds of boards: so a change is encoded once, and all boards that may see it are sent the
same bytes.
"""
