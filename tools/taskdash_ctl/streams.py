"""Standard input and output, whatever the shell has made of them."""

import os
import sys
from pathlib import Path

from taskdash_protocol.escapes import escaping


def prepare() -> None:
    """Escape what the terminal's encoding does not have; read and write nothing where one is shut.

    A file that is opened later would else take the number of a stream that is shut. A command of
    `run` finds it shut as before: what Python opens is not inherited.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    escaping(sys.stdout, sys.stderr)
