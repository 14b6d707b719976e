"""Elements are painted in place: what is the same is not even made, where somebody is stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from office import Office
from playwright.sync_api import Browser, Page

PAINT = """async ([path, steps]) => {
  const { fill, h, lazy } = await import(path);
  const box = document.createElement("dialog");
  document.body.append(box);
  box.showModal();
  let made = 0;
  const told = [];
  for (const items of steps) {
    made = 0;
    const make = ([key, text]) => lazy(key, [text], () => {
      made += 1;
      return h('li', null, h('input', { name: key }), text);
    });
    fill(box, h('section', null, h('h2', null, 'List'), h('ul', null, items.map(make))));
    const shown = [...box.querySelectorAll('li')];
    box.querySelector('[name=a]')?.focus();
    for (const one of shown) { one.mark ??= one.textContent; }
    told.push([made, shown.map((one) => one.textContent), shown.map((one) => one.mark),
      document.activeElement.name ?? '']);
  }
  box.remove();
  return told;
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    with Office(tmp_path_factory.mktemp("elements")) as office:
        page = browser.new_page()
        page.goto(office.url)
        yield page, office.static("page.js")
        page.close()


def painted(page: tuple[Page, str], *steps: list[list[str]]) -> list[Any]:
    """Paint lists one after another; tells of each what was made, is shown, and was there first."""
    told: list[Any] = page[0].evaluate(PAINT, [page[1], list(steps)])
    return told


def test_what_is_the_same_is_not_made_however_deep_it_stands(page: tuple[Page, str]) -> None:
    first = [[key, key.upper()] for key in "abc"]
    told = painted(page, first, first, [["a", "A"], ["b", "new"], ["c", "C"]])
    assert [one[0] for one in told] == [3, 0, 1]
    assert told[2][1:3] == [["A", "new", "C"], ["A", "B", "C"]]


def test_elements_follow_their_keys_and_the_focus_stays(page: tuple[Page, str]) -> None:
    a, b, c, d = ([key, key.upper()] for key in "abcd")
    steps = [a, b, c], [d, c, a], [b, a], [a], [c, b, a, d], []
    told = painted(page, *[list(step) for step in steps])
    assert [one[1] for one in told] == [[text for _, text in step] for step in steps]
    assert [one[3] for one in told[:5]] == ["a"] * 5
    assert told[1][2] == ["D", "C", "A"]
