"""`python -m taskdashd`."""

from taskdashd.cli import main

main()
