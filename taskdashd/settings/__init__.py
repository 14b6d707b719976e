"""The operator's decisions: configuration, tokens, certificates, and how the daemon logs.

Nothing in here knows a task, the store or an event loop.
"""
