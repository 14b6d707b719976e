"""The daemon's command line. `main` is the program."""

from taskdashd.cli.commands import main

__all__ = ["main"]
