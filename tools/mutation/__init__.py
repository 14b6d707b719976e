"""Mutation testing: small faults are put into the code, and the tests are to notice each."""
