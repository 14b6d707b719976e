"""The daemon: bytes come in, an operation decides, the store makes it durable, the feed tells."""

from taskdash_protocol import __version__

__all__ = ["__version__"]
