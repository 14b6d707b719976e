"""Faults to be survived: the daemon as a process, attacked from outside through the wire.

The numbers of faults are those of the table in docs/reliability.md.
"""
