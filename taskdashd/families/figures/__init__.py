"""The figures of the day: how many tasks are where, and what happened when."""
