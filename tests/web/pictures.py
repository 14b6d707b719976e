"""The pictures of the board for the docs, of a day that is made up. Run by tools/pictures."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from desk import Desk
from made_up import NOW, MadeUpOffice
from office import PEOPLE, Office
from playwright.sync_api import Browser, BrowserType, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
VIEWS = {
    "mine": "mine",
    "board": "board",
    "list": "list",
    "task": "task/cut-4",
    "people": "people",
    "groups": "groups",
    "services": "services",
    "now": "now",
    "day": "day",
}
SIZE = {"width": 1280, "height": 720}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "": {"viewport": SIZE},
    "360": {"viewport": {"width": 360, "height": 740}},
    "1920": {"viewport": {"width": 1920, "height": 1080}},
    # What a window of 1280 by 720 pixels is when all is twice as large.
    "200": {"viewport": {"width": 640, "height": 360}, "device_scale_factor": 2},
    "forced": {"viewport": SIZE},
    # A4.
    "printed": {"viewport": {"width": 794, "height": 1123}},
}
"""How the board is seen, by the end of the name of a picture."""
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
FONTS = f"""<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{FONT.parent}</dir>
  <dir>/usr/share/fonts/truetype/dejavu</dir>
  <cachedir>/var/cache/fontconfig</cachedir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <match target="pattern">
    <edit name="family" mode="prepend" binding="strong"><string>Noto Sans CJK SC</string></edit>
  </match>
  <match target="font">
    <edit name="antialias" mode="assign"><bool>true</bool></edit>
    <edit name="hinting" mode="assign"><bool>false</bool></edit>
    <edit name="rgba" mode="assign"><const>none</const></edit>
  </match>
</fontconfig>
"""
"""One font for all, whatever else a machine has."""


@dataclass(frozen=True)
class Shot:
    """A picture to take."""

    name: str
    view: str
    way: str = ""
    theme: str = "light"
    language: str = "en"

    @property
    def user(self) -> str:
        """Who looks: an administrator has no work of their own."""
        return "1001" if self.view == "mine" else "1005"

    @property
    def context(self) -> dict[str, Any]:
        """Give what a browser is opened with; the rest can be changed while it is open."""
        return {
            "device_scale_factor": WAYS[self.way].get("device_scale_factor", 1),
            "locale": {"en": "en-GB", "zh": "zh-CN"}[self.language],
            "timezone_id": "UTC",
            "viewport": SIZE,
        }

    def dress(self, page: Page) -> None:
        """Have a page look as is wanted."""
        page.set_viewport_size(WAYS[self.way]["viewport"])
        page.emulate_media(
            media="screen",
            color_scheme="dark" if self.theme == "dark" else "light",
            forced_colors="active" if self.way == "forced" else "none",
            reduced_motion="reduce",
        )


def all_shots() -> Iterator[Shot]:
    """Give each view in each theme and language, then some as others see them."""
    for view, theme, language in product(VIEWS, ("light", "dark"), ("en", "zh")):
        yield Shot(f"{view}-{theme}-{language}", view, "", theme, language)
    for way, views in {
        "360": ("mine", "board", "list", "task"),
        "1920": ("board", "now"),
        "200": ("board", "list"),
        "printed": ("board", "list"),
    }.items():
        for view in views:
            yield Shot(f"{view}-{way}", view, way)
    for view in ("board", "now"):
        yield Shot(f"{view}-forced", view, "forced", "dark")
    yield Shot("signin", "")


SHOTS = {shot.name: shot for shot in all_shots()}


class Studio:
    """Where pictures are taken: an office, and a browser of whoever looks at it."""

    def __init__(self, browser: Browser, office: Office) -> None:
        self._browser = browser
        self._office = office
        self._desk: Desk | None = None
        self._seat: object = None
        """Who sits at the desk, and what is in their browser."""

    def take(self, shot: Shot) -> bytes:
        """Take a picture; gives a JPEG."""
        if not shot.view:
            return self._signing_in(shot)
        # Paper goes on below.
        return photographed(self.opened(shot), full_page=shot.way == "printed")

    def opened(self, shot: Shot) -> Page:
        """Open a view as it is to be seen, and wait until all of it is there."""
        desk = self._desk_of(shot)
        shot.dress(desk.page)
        desk.go(VIEWS[shot.view])
        expect(desk.page.locator("#main > *").first).to_be_attached()
        expect(desk.page.locator("#main")).not_to_contain_text(re.compile("Reading …|读取中"))
        if shot.way == "printed":
            # The heading of the paper is made of the view that is open when it is printed.
            desk.page.emulate_media(media="print")
            expect(desk.page.locator("#printed")).to_be_visible()
        desk.page.wait_for_load_state("networkidle")
        return desk.page

    def close(self) -> None:
        """Send away who sits there."""
        if self._desk:
            self._desk.close()
        self._desk = self._seat = None

    def _desk_of(self, shot: Shot) -> Desk:
        seat = (shot.user, shot.context)
        if self._desk is None or seat != self._seat:
            self.close()
            name = str(PEOPLE[shot.user]["name"])
            self._desk = Desk(self._browser, self._office.url, shot.user, name, at=NOW, **seat[1])
            self._seat = seat
        return self._desk

    def _signing_in(self, shot: Shot) -> bytes:
        context = self._browser.new_context(**shot.context)
        page = context.new_page()
        shot.dress(page)
        page.goto(self._office.url)
        page.get_by_role("textbox", name="Employee number").fill("1005")
        page.get_by_role("textbox", name="Name", exact=True).fill("Root")
        taken = photographed(page)
        context.close()
        return taken


def photographed(page: Page, **more: Any) -> bytes:
    """Take a picture of what is there; nothing in it moves, blinks or has the focus."""
    page.evaluate("document.activeElement?.blur()")
    page.evaluate(
        "document.fonts.ready.then(() => new Promise("
        "done => requestAnimationFrame(() => requestAnimationFrame(done))))"
    )
    return page.screenshot(type="jpeg", quality=72, animations="disabled", **more)


@contextmanager
def chromium(kind: BrowserType, directory: Path) -> Iterator[Browser]:
    """Open a browser that writes in one font."""
    fonts = directory / "fonts.conf"
    fonts.write_text(FONTS)
    browser = kind.launch(
        executable_path=shutil.which("chromium"),
        args=["--no-sandbox"],
        env={"FONTCONFIG_FILE": str(fonts)},
    )
    yield browser
    browser.close()


@contextmanager
def open_studio(kind: BrowserType, directory: Path) -> Iterator[Studio]:
    """Open an office, and a browser to look at it."""
    with MadeUpOffice(directory) as office, chromium(kind, directory) as browser:
        studio = Studio(browser, office)
        yield studio
        studio.close()


def main() -> None:
    """Take all pictures; of what is no picture any more the file goes."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.jpg"):
        if old.stem not in SHOTS:
            old.unlink()
    with (
        tempfile.TemporaryDirectory() as directory,
        sync_playwright() as playwright,
        open_studio(playwright.chromium, Path(directory)) as studio,
    ):
        # Pictures of one seat after another: to open a browser takes longer than a picture.
        for shot in sorted(SHOTS.values(), key=lambda one: (one.user, str(one.context))):
            (PICTURES / f"{shot.name}.jpg").write_bytes(settled(studio, shot))


def settled(studio: Studio, shot: Shot) -> bytes:
    """Take a picture again until two in a row are the same."""
    before, taken = b"", studio.take(shot)
    while taken != before:
        time.sleep(0.2)
        before, taken = taken, studio.take(shot)
    return taken


if __name__ == "__main__":
    main()
