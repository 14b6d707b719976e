"""The operations of people: signing in, their accounts, and how their tasks move."""

from taskdashd.families.people.operations import accounts, claims, handover, sign_in

__all__ = ["accounts", "claims", "handover", "sign_in"]
