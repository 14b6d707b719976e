"""The HTTP and websocket face: the same operations, for browsers and scripts. No rules of its own.

HTTP is h11's and websockets are wsproto's, both without I/O. What drives them here is small, for a
Pi serves hundreds of boards: a change is encoded once for all who may see it, and each gets the
same bytes.
"""
