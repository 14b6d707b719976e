"""The TCP face: sockets, bytes and deadlines. What is asked is done in `operations/`."""
