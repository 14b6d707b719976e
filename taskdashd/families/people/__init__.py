"""People: their accounts, and the tasks that they claim, do, hand in and check."""
