"""All operations, by the RequestID that names them: every family is imported here, and no more."""

from taskdashd.operations import (  # noqa: F401  # they fill OPERATIONS
    audit,
    claims,
    handover,
    people,
    services,
    sessions,
    status,
    tasks,
)
from taskdashd.operations.table import OPERATIONS

__all__ = ["OPERATIONS"]
