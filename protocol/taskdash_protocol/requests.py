"""Every operation's request by the RequestID that names it, found in `families/`.

Programs import the requests of tasks, connections and operators from here.
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Final

from taskdash_protocol import families
from taskdash_protocol.families.connections import Hello as Hello
from taskdash_protocol.families.connections import SignIn as SignIn
from taskdash_protocol.families.connections import Unwatch as Unwatch
from taskdash_protocol.families.connections import Watch as Watch
from taskdash_protocol.families.operators import Audit as Audit
from taskdash_protocol.families.operators import Status as Status
from taskdash_protocol.families.tasks import Find as Find
from taskdash_protocol.families.tasks import Query as Query
from taskdash_protocol.families.tasks import Register as Register
from taskdash_protocol.families.tasks import Update as Update
from taskdash_protocol.request import Request as Request


def request_classes() -> Iterator[type[Request]]:
    """Give every request class that a family declares, also one that no RequestID names."""
    for found in pkgutil.iter_modules(families.__path__, f"{families.__name__}."):
        for one in vars(import_module(found.name)).values():
            if isinstance(one, type) and issubclass(one, Request) and one.__module__ == found.name:
                yield one


REQUESTS: Final = {one.request_id: one for one in request_classes() if one.request_id}
"""The request class of every operation, by the RequestID that names it on the wire."""
