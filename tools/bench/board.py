"""Many open boards and a steady stream of changes: what the daemon takes, and who is told when.

Every board is a websocket of a person who has signed in, all of them served by one daemon on one
core; a script on another core opens them, makes the changes over TCP and notes when each board has
been told. Then one real browser, its processor slowed, is asked how soon its first page is usable.
"""

import argparse
import os
import select
import shutil
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import servers
from pages import cookie, open_board
from playwright.sync_api import sync_playwright

import taskdash

TASKS = 300
GROUPS = ("cut", "paint", "sound", "desk")
SLOWED = 4
INTERACTIVE_RUNS = 5
CHANGES_SEEN = 40


def furnish(dash: Any, people: int) -> None:
    for number in range(people):
        group = GROUPS[number % len(GROUPS)]
        user = f"u{number}"
        dash.ask("SetPerson", user=user, name=user, groups=[group])
    for number in range(TASKS):
        group = GROUPS[number % len(GROUPS)]
        dash.ask(
            "Register",
            id=f"t{number}",
            name=f"Task {number}",
            group_id=group,
            status="待领取",
            project_id="film-7",
            description="x" * 120,
        )


def told(url: str, boards: list[socket.socket], rate: int, seconds: float) -> list[float]:
    """Make changes, and give how long after its commit each board was told of each, in seconds."""
    poll = select.epoll()
    by_fd = {board.fileno(): board for board in boards}
    for board in boards:
        board.setblocking(False)
        poll.register(board, select.EPOLLIN)
    committed: dict[int, float] = {}
    late: list[float] = []
    end = time.perf_counter() + seconds
    with taskdash.connect(url) as dash:
        due, number = time.perf_counter(), 0
        while (now := time.perf_counter()) < end + 1:
            if now >= due and now < end:
                mark = f"mark-{number:07}"
                dash.ask("Update", id=f"t{number % TASKS}", description=mark, own=False)
                committed[number] = time.perf_counter()
                number += 1
                due += 1 / rate
            wait_s = max(0.0, min(due - time.perf_counter(), 0.005)) if now < end else 0.05
            for fd, _ in poll.poll(wait_s):
                data = by_fd[fd].recv(1 << 20)
                at = time.perf_counter()
                marks = [int(part[:7]) for part in data.split(b'"description":"mark-')[1:]]
                late += [at - committed[mark] for mark in marks if mark in committed]
    return late


def first_page(web: str, held: str) -> tuple[list[float], int]:
    """Give after how many ms a slowed browser shows cards that can be used, and bytes loaded."""
    name, _, value = held.partition("=")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        took: list[float] = []
        weight = 0
        for _ in range(INTERACTIVE_RUNS):
            context = browser.new_context()
            context.add_cookies([{"name": name, "value": value, "url": f"http://{web}"}])
            page = context.new_page()
            page.context.new_cdp_session(page).send(
                "Emulation.setCPUThrottlingRate", {"rate": SLOWED}
            )
            page.add_init_script(
                "new MutationObserver((_, seen) => { if (document.querySelector('.card button')) {"
                " window.usable = performance.now(); seen.disconnect(); } })"
                ".observe(document, {childList: true, subtree: true})"
            )
            page.goto(f"http://{web}/")
            page.locator(".card button").first.wait_for()
            took.append(page.evaluate("window.usable"))
            weight = page.evaluate(
                "performance.getEntries().reduce((sum, one) => sum + (one.transferSize ?? 0), 0)"
            )
            context.close()
        browser.close()
    return took, weight


def on_screen(url: str, web: str, held: str) -> list[float]:
    """Give after how many milliseconds each of some changes was on a real screen."""
    name, _, value = held.partition("=")
    waits = """mark => new Promise(done => { const seen = () => {
        if (!document.querySelector('.board')?.textContent.includes(mark)) return false;
        requestAnimationFrame(() => setTimeout(() => done(Date.now())));
        return true; };
        if (!seen()) new MutationObserver((_, watch) => seen() && watch.disconnect())
            .observe(document.body, {childList: true, subtree: true, characterData: true}) })"""
    took: list[float] = []
    with sync_playwright() as playwright, taskdash.connect(url) as dash:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context()
        context.add_cookies([{"name": name, "value": value, "url": f"http://{web}"}])
        page = context.new_page()
        page.goto(f"http://{web}/")
        page.locator(".card button").first.wait_for()
        for number in range(CHANGES_SEEN):
            page.evaluate(f"mark => {{ window.seen = ({waits})(mark) }}", f"seen-{number}")
            dash.ask("Update", id="t0", name=f"seen-{number}", own=False)
            committed = time.time()
            took.append(page.evaluate("window.seen") - committed * 1000)
        browser.close()
    return took


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    for name, default in (("boards", 200), ("people", 100), ("rate", 50), ("seconds", 20)):
        arguments.add_argument(f"--{name}", type=int, default=default)
    given = arguments.parse_args()
    os.sched_setaffinity(0, {1})
    with (
        tempfile.TemporaryDirectory() as directory,
        servers.running(Path(directory), web="127.0.0.1:0") as daemon,
    ):
        web = daemon.wait_for("the board is at")["address"]
        server = servers.Server("taskdashd", "frames", daemon.port, daemon.pid, daemon.data)
        with taskdash.connect(daemon.url) as dash:
            furnish(dash, given.people)
        alone = server.memory_kib() / 1024
        cookies = [cookie(web, f"u{number}") for number in range(given.people)]
        boards = [open_board(web, cookies[n % given.people]) for n in range(given.boards)]
        time.sleep(1)
        before_cpu, before, idle = server.cpu_s(), time.perf_counter(), server.memory_kib() / 1024
        late = told(daemon.url, boards, given.rate, given.seconds)
        cpu = (server.cpu_s() - before_cpu) / (time.perf_counter() - before)
        busy = server.memory_kib() / 1024
        # The browser has the whole machine, as on a desk.
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        took, weight = first_page(web, cookies[0])
        seen = sorted(on_screen(daemon.url, web, cookies[0]))
        for board in boards:
            board.close()
    late.sort()
    shown = {share: late[int(len(late) * share)] * 1000 for share in (0.5, 0.99)}
    print(f"{given.boards} boards of {given.people} people, {given.rate} changes a second")
    print(
        f"  told: {len(late)} times; p50 {shown[0.5]:.0f} ms, p99 {shown[0.99]:.0f} ms,"
        f" last {late[-1] * 1000:.0f} ms after the reply to the change"
    )
    print(f"  processor: {cpu * 100:.0f} % of one core")
    print(f"  memory (Pss): {alone:.1f} MiB without boards, {idle:.1f} with them, {busy:.1f} after")
    print(f"on a screen: p50 {statistics.median(seen):.0f} ms, last {seen[-1]:.0f} ms after it")
    print(
        f"first page, processor slowed {SLOWED} times: usable after"
        f" {statistics.median(took):.0f} ms (median of {len(took)};"
        f" {min(took):.0f}-{max(took):.0f}), {weight / 1000:.0f} KB"
    )


if __name__ == "__main__":
    main()
