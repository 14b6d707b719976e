"""`python -m taskdash_ctl`."""

from taskdash_ctl.cli import main

main()
