"""What the daemon does when it is asked: one module a family, one small function a RequestID.

Nothing in here knows a socket or an event loop; the server and, later, the web face call it.
"""
