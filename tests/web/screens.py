"""People at a desk or on a phone, for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from desk import SIZE, Desk
from playwright.sync_api import Browser, Page

__all__ = ["PHONE", "SIZE", "axe_says", "signed_in"]
PHONE = {"width": 390, "height": 780}


@contextmanager
def signed_in(
    browser: Browser, url: str, user: str, name: str, view: str = "board", **more: Any
) -> Iterator[Page]:
    """Sign a person in, in a browser of their own, whose console must stay empty."""
    desk = Desk(browser, url, user, name, view, **more)
    yield desk.page
    desk.close()


def axe_says(page: Page) -> list[tuple[str, list[str]]]:
    """Give what axe-core finds serious or critical: the rule, and the first elements."""
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
