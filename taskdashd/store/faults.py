"""What can be wrong with a write besides what it says: each is told apart by what becomes of it."""

from taskdash_protocol.errors import StorageError


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
