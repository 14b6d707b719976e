"""The parts that every operation stands on: sessions, identities, ownership, commits, the runner.

No family is named in here, and nothing in here knows a socket or an event loop.
"""
