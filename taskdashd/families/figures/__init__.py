"""Figures of the day: tasks by state, load by person, events by quarter of an hour."""
