"""The operations of people: `accounts` signs them in, `claims` and `handover` move their tasks."""

from taskdashd.families.people.operations import accounts, claims, handover

__all__ = ["accounts", "claims", "handover"]
