"""The TCP door: sockets, bytes and deadlines. No family and no rule of tasks may enter here."""
