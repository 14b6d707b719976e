"""When people work: the hours of a calendar in its zone, with its days off and make-up days."""
