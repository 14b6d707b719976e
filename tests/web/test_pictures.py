"""The pictures in the docs are what one sees: some are taken anew, and compared."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pictures import FONT, PICTURES, ROOT, SHOTS, Studio, open_studio, photographed
from playwright.sync_api import Browser, Page

CELL = 20
"""The pixels by which pictures are compared: the mean colour of so many by so many."""
NUDGE = 1
"""So many pixels a thing may lie elsewhere: browsers round otherwise."""
DIFFERS = 12
"""Means differ that lie so far apart, of 255."""
SHARE_MAX = 0.0015
"""Of all cells that may differ: those of letters without any smoothing are a third of that, of the
dots of seven columns without a colour twice as much."""
COUNT_MAX = 2
"""So many may differ of a small picture."""
TRIES = 8

COMPARE = """async ([one, other, cell, nudge, differs]) => {
  const read = async (picture) => {
    const image = new Image();
    image.src = `data:image/jpeg;base64,${picture}`;
    await image.decode();
    const { width, height } = image;
    const canvas = new OffscreenCanvas(width, height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(0, 0, width, height);
    // The sum of all that is above and to the left of each pixel.
    const sums = [0, 1, 2].map((channel) => {
      const sum = new Uint32Array((width + 1) * (height + 1));
      for (let y = 0, at = channel; y < height; y++) {
        for (let x = 0, line = 0; x < width; x++, at += 4) {
          line += data[at];
          sum[(y + 1) * (width + 1) + x + 1] = sum[y * (width + 1) + x + 1] + line;
        }
      }
      return sum;
    });
    const mean = (left, top) => {
      const [right, bottom] = [Math.min(left + cell, width), Math.min(top + cell, height)];
      const at = (x, y) => Math.max(y, 0) * (width + 1) + Math.max(x, 0);
      const count = (right - Math.max(left, 0)) * (bottom - Math.max(top, 0));
      return sums.map((sum) => (sum[at(right, bottom)] - sum[at(left, bottom)]
        - sum[at(right, top)] + sum[at(left, top)]) / count);
    };
    return { width, height, mean };
  };
  const [mine, theirs] = await Promise.all([read(one), read(other)]);
  const { width, height } = mine;
  const all = Math.ceil(width / cell) * Math.ceil(height / cell);
  if (width !== theirs.width || height !== theirs.height) {
    return { all, differing: all, where: `${theirs.width} x ${theirs.height} pixels` };
  }
  const nudges = Array.from({ length: 2 * nudge + 1 }, (_, n) => n - nudge);
  const found = [];
  for (let y = 0; y < height; y += cell) {
    for (let x = 0; x < width; x += cell) {
      const mean = mine.mean(x, y);
      const apart = (right, down) => Math.max(
        ...theirs.mean(x + right, y + down).map((one, n) => Math.abs(one - mean[n])));
      if (nudges.every((right) => nudges.every((down) => apart(right, down) > differs))) {
        found.push([x, y]);
      }
    }
  }
  const span = (n) => [0, 1].map((end) =>
    Math[end ? 'max' : 'min'](...found.map((one) => one[n])) + end * cell).join('-');
  return { all, differing: found.length, where: found.length ? `x ${span(0)}, y ${span(1)}` : '' };
}"""
"""Give in how many cells, of how many, two pictures differ, and where."""

CHOSEN = (
    *("board-light-en", "list-light-en", "day-light-en"),
    *("board-dark-zh", "task-dark-zh", "services-dark-zh"),
    *("mine-360", "board-360", "now-1920", "board-200", "list-printed", "board-printed"),
    *("board-forced", "signin"),
)


@pytest.fixture(scope="module")
def studio(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    if not FONT.exists():
        pytest.skip("the pictures are written in a font that is missing here: fonts-noto-cjk")
    with open_studio(browser.browser_type, tmp_path_factory.mktemp("studio")) as studio:
        yield studio


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    """Open a page that compares pictures."""
    page = browser.new_page()
    yield page
    page.close()


def compared(blank: Page, one: bytes, other: bytes) -> tuple[float, str]:
    """Give how far two pictures differ, from 0 to 1 as much as may be, and where."""
    if one == other:
        return 0.0, ""
    both = [base64.b64encode(picture).decode() for picture in (one, other)]
    found: dict[str, Any] = blank.evaluate(COMPARE, [*both, CELL, NUDGE, DIFFERS])
    return found["differing"] / max(COUNT_MAX, found["all"] * SHARE_MAX), found["where"]


def test_the_docs_show_each_picture() -> None:
    text = (ROOT / "docs" / "board.md").read_text()
    assert sorted(re.findall(r"\(pictures/([^)]+)\.jpg\)", text)) == sorted(SHOTS)
    assert sorted(path.name for path in PICTURES.iterdir()) == sorted(f"{n}.jpg" for n in SHOTS)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_picture_is_what_one_sees(studio: Studio, blank: Page, tmp_path: Path, name: str) -> None:
    shown = (PICTURES / f"{name}.jpg").read_bytes()
    for _ in range(TRIES):
        # What comes late is no fault, only what never comes.
        taken = studio.take(SHOTS[name])
        much, where = compared(blank, shown, taken)
        if much <= 1:
            break
    new = tmp_path / f"{name}.jpg"
    new.write_bytes(taken)
    assert much <= 1, (
        f"docs/pictures/{name}.jpg is not as {new}, {much:.1f} times as far off as may be, at"
        f" {where}: if that is meant, tools/pictures makes all anew"
    )


FAULTS = {
    "a column is missing": ".column.review { display: none }",
    "bars have lost their colour": ".progress > span { background: none }",
    "dots have lost their colour": ".column .dot { background: none }",
    "all is moved": "main { padding-left: 22px }",
    "cards lie further apart": ".card { margin-top: 3px }",
    "buttons are missing": ".acts { visibility: hidden }",
    "letters are larger": ":root { font-size: 15.5px }",
}
HARMLESS = {
    "letters begin between pixels": "main { transform: translate(0.4px, 0.4px) }",
    "letters are smoothed": "main { filter: blur(0.5px) }",
    "colours are rounded otherwise": "body { filter: brightness(0.985) }",
}


@pytest.fixture
def board(studio: Studio) -> Page:
    return studio.opened(SHOTS["board-light-en"])


@pytest.fixture
def plain(board: Page) -> bytes:
    """Take a picture of the board as it is."""
    return photographed(board)


def tampered(board: Page, styles: str) -> bytes:
    """Take a picture of the board with other styles."""
    # A sheet of the page's own: its policy refuses what a test would write into it.
    board.evaluate(
        """text => { const sheet = new CSSStyleSheet(); sheet.replaceSync(text);
        document.adoptedStyleSheets = [sheet]; }""",
        styles,
    )
    taken = photographed(board)
    board.evaluate("document.adoptedStyleSheets = []")
    return taken


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(blank: Page, board: Page, plain: bytes, fault: str) -> None:
    much, _ = compared(blank, plain, tampered(board, FAULTS[fault]))
    assert much > 1.5


@pytest.mark.parametrize("change", HARMLESS)
def test_what_no_reader_sees_is_no_fault(
    blank: Page, board: Page, plain: bytes, change: str
) -> None:
    much, where = compared(blank, plain, tampered(board, HARMLESS[change]))
    assert much < 0.7, where


@pytest.mark.parametrize(
    ("one", "other"),
    [("board-light-en", "board-light-zh"), ("signin", "board-light-en"), ("board-360", "signin")],
)
def test_another_picture_is_another(blank: Page, one: str, other: str) -> None:
    """In another language, of another view, of another size."""
    both = [(PICTURES / f"{name}.jpg").read_bytes() for name in (one, other)]
    much, _ = compared(blank, *both)
    assert much > 10
