"""The rules of the figures: `tally` counts, `day` keeps what was, by quarter of an hour."""
