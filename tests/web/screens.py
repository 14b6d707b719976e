"""People at a desk or on a phone, for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from desk import SIZE, Desk
from playwright.sync_api import Browser, Page

__all__ = ["PHONE", "SIZE", "signed_in"]
PHONE = {"width": 390, "height": 780}


@contextmanager
def signed_in(
    browser: Browser, url: str, user: str, name: str, view: str = "board", **more: Any
) -> Iterator[Page]:
    """Sign a person in, in a browser of their own, whose console must stay empty."""
    desk = Desk(browser, url, user, name, view, **more)
    yield desk.page
    desk.close()
