"""The daemon's command line; `main` is the program `taskdashd`."""

from taskdashd.cli.commands import main

__all__ = ["main"]
