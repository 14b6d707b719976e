"""What can go wrong in the store: each is told apart by what becomes of it."""

from taskdash_protocol.errors import StorageError


class BackupError(Exception):
    """A copy could not be made, is not good, or may not be put in place; the message says why."""


class DiskFull(StorageError):
    """The disk has no room for the change."""


class Away(StorageError):
    """The database does not answer; nothing of the write was sent to it."""


class OutcomeUnknown(StorageError):
    """The database was lost in a commit, and nobody can say yet whether it is stored.

    Neither a yes nor a no would be true: whoever waits for the write is told nothing.
    """


class Fenced(StorageError):
    """Another daemon writes to the database: this one must end."""
