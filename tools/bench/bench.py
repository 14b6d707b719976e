"""TaskDash beside what a user would pick instead, in one run.

Each server runs on loopback and on one core, the load on the other. The peers take turns, round
after round, so that a noisy machine is unfair to all alike; medians are compared.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import backups
import crowds
import due as due_
import footprint
import lasting
import offices
import servers
import throughput
from report import OURS, Goal, Row, head, save, svg
from throughput import SHAPES, Requests

_FINDING_SHAPE = "×".join(map(str, footprint.FIND_SHAPE))


class Run:
    """One run of the benchmark, and what it has found so far."""

    def __init__(self, rounds: int, seconds: float, lasting_s: float, where: Path) -> None:
        self.rounds, self.seconds, self.where = rounds, seconds, where
        self.lasting_s = lasting_s
        self.requests = Requests(where)
        self.absent = {name for name in servers.STARTS if servers.missing(name)}
        self.rows: list[Row] = []
        self.facts: list[str] = []
        self.goals: list[Goal] = []
        for name in sorted(self.absent):
            print(f"NOT MEASURED: {name}; apt-get install {' '.join(servers.missing(name))}")

    def peers(self, *names: str) -> list[str]:
        """Give those of these peers that are installed."""
        return [name for name in names if name not in self.absent]

    def add(self, row: Row) -> Row:
        """Print a row and keep it."""
        self.rows.append(row)
        print(row.text(), flush=True)
        return row

    def tell(self, fact: str) -> None:
        """Print a figure and keep it."""
        self.facts.append(fact)
        print(fact, flush=True)

    def aim(self, what: str, value: float, goal: float, *, at_most: bool = False) -> None:
        """Compare a figure with its goal."""
        self.goals.append(Goal(what, value, goal, at_most=at_most))

    def aim_ratio(self, row: Row, peer: str, goal: float) -> None:
        """Compare our ratio to a peer with its goal, if the peer was measured."""
        ratio = row.ratio(peer)
        if ratio is not None:
            self.aim(f"× {peer}: {row.workload}, {row.shape}", ratio[0], goal)


_RATE_GOALS: dict[tuple[str, str], dict[str, float]] = {
    ("register new", "1×1"): {"Redis": 0.8},
    ("register new", "64×1"): {"Redis": 0.6},
    ("register new", "64×16"): {"Redis": 0.7, "etcd": 2.0},
    ("update", "64×16"): {"Redis": 0.25},
    ("find", "64×1"): {"etcd": 5.0, "bare trio": 3.0},
    ("find", "64×16"): {"etcd": 5.0, "bare trio": 1.4},
}


def rates(run: Run, workload: str) -> None:
    """Measure a workload in every shape."""
    for shape in SHAPES:
        found: dict[str, list[float]] = {name: [] for name in run.peers(*throughput.PEERS)}
        for _ in range(run.rounds):
            for name, some in found.items():
                # The bare server writes nothing, so it does not slow down after a second.
                short = workload == "find" or name == "bare trio"
                seconds = run.seconds if short else run.lasting_s
                words = (workload, shape, seconds, run.requests, run.where)
                some.append(throughput.rate(name, *words))
        row = run.add(Row(workload, f"{shape[0]}×{shape[1]}", found))
        for peer, goal in _RATE_GOALS.get((workload, row.shape), {}).items():
            run.aim_ratio(row, peer, goal)


def ceiling(run: Run) -> None:
    """Prove that the load generator is cheaper than what it measures."""
    for shape in SHAPES:
        rate = throughput.ceiling(shape, run.seconds, run.requests, run.where)
        run.tell(f"load generator alone, {shape[0]}×{shape[1]}: {rate:,.0f} requests/s")


def million(run: Run) -> None:
    """Start with a million tasks, Find hot and cold ids, Query pages."""
    names = run.peers(OURS, "Redis")
    hot: dict[str, list[float]] = {name: [] for name in names}
    cold: dict[str, list[float]] = {name: [] for name in names}
    singly: dict[str, list[float]] = {name: [] for name in names}
    pages: dict[str, list[float]] = {name: [] for name in names}
    with footprint.million(run.requests, run.where) as data:
        started = [footprint.start(data) for _ in range(run.rounds)]
        ready_s, mib = (statistics.median(values) for values in zip(*started, strict=True))
        run.tell(f"start with a million tasks: ready after {ready_s:.2f} s, {mib:.0f} MiB")
        for name in names:
            with footprint.knowing_million(name, data, run.requests, run.where) as server:
                for number in range(run.rounds):
                    words = (run.seconds, run.requests, number, run.rounds)
                    found = footprint.finds(server, *words)
                    hot[name].append(found.hot)
                    cold[name].append(found.cold)
                    singly[name].append(found.cold_singly)
                    pages[name].append(footprint.queries(server, run.seconds, run.requests))
        bare = footprint.bare_queries(data, run.seconds)
    run.add(Row("find hot of 10⁶", _FINDING_SHAPE, hot))
    run.add(Row("find cold", _FINDING_SHAPE, cold))
    run.aim_ratio(run.add(Row("find cold", "64×1", singly)), "Redis", 0.1)
    page = run.add(Row("query a page", "8×1", pages))
    run.tell(f"query a page: bare SQLite reads {bare:,.0f} in a second of processor")
    run.aim_ratio(page, "Redis", 1.0)
    few = [row for row in run.rows if (row.workload, row.shape) == ("find", _FINDING_SHAPE)]
    if few:
        ratio = statistics.median(hot[OURS]) / few[0].median(OURS)
        run.aim("× Find at 10⁴: Find at 10⁶, hot ids", ratio, 0.8)


def sustained(run: Run) -> None:
    """Register for half a minute, new tasks and the same again, until all of it is folded."""
    for workload, goal in zip(lasting.SUSTAINED, (0.6, 0.4), strict=True):
        found: dict[str, list[float]] = {name: [] for name in run.peers(*lasting.PEERS)}
        for _ in range(run.rounds):
            for name, some in found.items():
                words = (workload, 3 * run.lasting_s, run.requests, run.where)
                rate, owed_s = lasting.sustained(name, *words)
                some.append(rate)
                if name == OURS:
                    run.tell(f"{workload}: the first page waits {owed_s:.1f} s for the fold")
        row = run.add(Row(workload, "×".join(map(str, lasting.SHAPE)), found))
        run.aim_ratio(row, "Redis", goal)


def in_turn(run: Run) -> None:
    """Find each of some tasks in its turn, of few and of more than are kept ready."""
    for shape, count, goal in lasting.TURNS:
        found: dict[str, list[float]] = {name: [] for name in run.peers(*lasting.PEERS)}
        for _ in range(run.rounds):
            for name, some in found.items():
                words = (shape, count, run.lasting_s, run.requests, run.where)
                some.append(lasting.in_turn(name, *words))
        row = run.add(Row(f"find of {count:,}", f"{shape[0]}×{shape[1]}", found))
        run.aim_ratio(row, "Redis", goal)


_BEATING = ((100, 1_000, 1.4), (10_000, 1_000, 1.4), (10_000, 10_000, 1.0))
"""Connections, beats a second of all together, and what is aimed at × mosquitto."""


def beats(run: Run) -> None:
    """Measure heartbeats of few and of many connections, and what an idle connection takes."""
    for size, per_s, goal in _BEATING:
        found: dict[str, list[crowds.Beats]] = {
            name: [] for name in run.peers(OURS, "mosquitto", "etcd")
        }
        for _ in range(run.rounds):
            for name, some in found.items():
                some.append(crowds.beats(name, size, per_s, 4 * run.seconds, run.where))
        us: dict[str, float] = {}
        for name, some in found.items():
            one = crowds.Beats(*(statistics.median(values) for values in zip(*some, strict=True)))
            us[name] = one.cpu_us
            run.tell(
                f"{name}, {size:,} connections, {per_s:,} beats/s: {one.cpu_us:.1f} µs a beat,"
                f" {one.kib_each:.1f} KiB a connection, {one.written_bytes:.0f} bytes written"
            )
            if name == OURS:
                run.aim("bytes written a beat", one.written_bytes, 0, at_most=True)
                run.aim("KiB a connection with a task", one.kib_each, 16, at_most=True)
        if "mosquitto" in us:
            what = f"× mosquitto: µs a beat, {per_s:,}/s of {size:,} connections"
            run.aim(what, us[OURS] / us["mosquitto"], goal, at_most=True)


def pings(run: Run) -> None:
    """Measure beats as cron sends them, by `curl` without more."""
    us = [crowds.pings_us(run.where) for _ in range(run.rounds)]
    told = ", ".join(f"{one:.0f}" for one in us)
    run.tell(f"{crowds.PINGS:,} pings by HTTP on a kept connection: {told} µs of processor each")
    run.aim("µs a ping", statistics.median(us), 150, at_most=True)


def fan_out(run: Run) -> None:
    """Make changes that a thousand watch."""
    found: dict[str, list[crowds.FanOut]] = {name: [] for name in run.peers(OURS, "Redis", "etcd")}
    for _ in range(run.rounds):
        for name, some in found.items():
            words = (crowds.CHANGES_PER_S, 3 * run.seconds, run.where)
            some.append(crowds.fan_out(name, *words))
    p99_ms: dict[str, float] = {}
    for name, some in found.items():
        one = crowds.FanOut(*(statistics.median(values) for values in zip(*some, strict=True)))
        p99_ms[name] = one.p99_ms
        run.tell(
            f"{name}, {crowds.WATCHERS:,} watchers × {crowds.CHANGES_PER_S} changes/s:"
            f" {one.delivered:.1%} told, {one.cpu_us:.1f} µs each,"
            f" p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f} ms"
        )
    if "etcd" in p99_ms:
        # Both servers use the whole core, so the processor time of an event tells nothing.
        run.aim("× as fast as etcd: p99 of an event's way", p99_ms["etcd"] / p99_ms[OURS], 1.0)


def mass_death(run: Run) -> None:
    """Measure ten thousand tasks that die at once."""
    late = max(crowds.mass_death(run.where) for _ in range(run.rounds))
    run.tell(f"10,000 deaths at once: the last told {late:.2f} s after its deadline, at worst")
    run.aim("s after its deadline, the last of 10,000 deaths", late, 1.0, at_most=True)


def due(run: Run) -> None:
    """Measure ten thousand claims that run out within one second."""
    rounds = [due_.claims(run.where) for _ in range(run.rounds)]
    for one in rounds:
        run.tell(
            f"10,000 claims due in one second: freed {one.first_s * 1000:.0f} to"
            f" {one.last_s * 1000:.0f} ms after their time, the last told after"
            f" {one.told_s * 1000:.0f} ms; longest step {one.step_s * 1000:.1f} ms,"
            f" by processor time {one.step_cpu_s * 1000:.1f} ms"
        )
    early_s = max(0.0, -min(one.first_s for one in rounds))
    last_s = max(one.last_s for one in rounds)
    step_ms = max(one.step_cpu_s for one in rounds) * 1000
    run.aim("s early, the first of 10,000 claims due in one second", early_s, 0, at_most=True)
    run.aim("s after its time, the last of them", last_s, 1, at_most=True)
    run.aim("ms of processor, the longest step meanwhile", step_ms, 5, at_most=True)


def bytes_(run: Run) -> None:
    """Measure memory, and the bytes that go to the disk."""
    idle, live = footprint.idle_mib(run.where), footprint.live_mib(run.where)
    run.tell(f"memory: {idle:.0f} MiB idle, {live:.0f} MiB with 10⁵ live tasks on 10³ connections")
    run.aim("MiB idle", idle, 60, at_most=True)
    run.aim("MiB with 10⁵ live tasks", live, 150, at_most=True)
    record = footprint.record_bytes(run.where)
    for name in run.peers(OURS, "Redis", "etcd"):
        one = footprint.written(name, run.where, run.requests)
        wal = f", WAL {one.wal_bytes / 2**20:.1f} MiB" if one.wal_bytes else ""
        run.tell(f"{name}, bytes written for a Register: {one.bytes_each:,.0f}{wal}")
        if name == OURS:
            what = f"× the record ({record:.0f} bytes), written for a Register at 64×16"
            run.aim(what, one.bytes_each / record, 3, at_most=True)


def latency(run: Run) -> None:
    """Measure what Find costs those who ask while others write."""
    for shape in ((64, 1), (1, 1)):
        for name in run.peers(OURS, "Redis", "etcd"):
            with servers.fresh(name, run.where) as server:
                throughput.prepare(server, run.requests, throughput.KNOWN)
                alone, beside = throughput.p99_us(server, 2 * run.seconds, run.requests, shape)
            text = f"{shape[0]}×{shape[1]}"
            run.tell(
                f"{name}, p99 of Find {text}: {alone / 1000:.2f} ms alone, {beside / 1000:.2f} ms"
                f" while 64 connections register ({beside / alone:.1f} times)"
            )
            if name == OURS:
                run.aim(
                    f"× its p99 alone: Find {text} beside Registers",
                    beside / alone,
                    5,
                    at_most=True,
                )


_SIGNED_IN = "with tokens"


def tokens(run: Run) -> None:
    """Measure the cost of signing each connection in, and of checking each request."""
    for workload in ("register new", "update", "find"):
        for shape in ((1, 1), (64, 1), (64, 16)):
            found: dict[str, list[float]] = {OURS: [], _SIGNED_IN: []}
            for _ in range(run.rounds):
                for name, some in found.items():
                    seconds = run.seconds if workload == "find" else run.lasting_s
                    words = (workload, shape, seconds, run.requests, run.where)
                    some.append(throughput.rate(name, *words))
            row = run.add(Row(f"{workload}, tokens", f"{shape[0]}×{shape[1]}", found))
            run.tell(f"{row.workload}, {row.shape}: {row.median(_SIGNED_IN):,.0f} with tokens")
            ratio = row.median(_SIGNED_IN) / row.median(OURS)
            run.aim(f"× without: {workload} with tokens, {row.shape}", ratio, 0.95)


def beside(run: Run, alone: str, *others: str) -> None:
    """Register beside nothing, and beside others who look on."""
    found: dict[str, list[offices.Beside]] = {name: [] for name in (alone, *others)}
    for _ in range(run.rounds):
        for name, some in found.items():
            some.append(offices.registering(name, run.requests, run.where))
    for name in found:
        each = [one.cpu_us for one in found[name]]
        ratios = [a.cpu_us / b for a, b in zip(found[alone], each, strict=True)]
        run.tell(
            f"Register, {name}: {statistics.median(each):.1f} µs of processor each;"
            f" × {alone}, by round: {', '.join(f'{ratio:.3f}' for ratio in ratios)}"
        )
    for one in found.get(offices.OPEN, ()):
        run.tell(f"the open page was told of {one.told:,} tasks, and {one.afresh} × to read afresh")
    for name in others:
        ratios = [a.cpu_us / b.cpu_us for a, b in zip(found[alone], found[name], strict=True)]
        run.aim(f"× {alone}: Register, {name}", statistics.median(ratios), 0.95)


def figures(run: Run) -> None:
    """Count a hostile office: a group for each task, 5,000 people, one with 10,000 groups."""
    for groups in (100_000, 1_000_000):
        took, mib = offices.figures(groups)
        run.tell(f"figures of {groups:,} groups: {mib:.0f} MiB")
        for what, ms in took.items():
            middle = statistics.median(ms)
            run.tell(f"  {what}: {middle:.2f} ms, at most {max(ms):.2f}, {len(ms):,} times")
            run.aim(f"ms, {what}, of {groups:,} groups", middle, 5, at_most=True)


def handover(run: Run) -> None:
    """Hand ten tasks to somebody else, among few tasks and among many."""
    few, many = 1_000, 100_000
    with (
        offices.with_people(few, run.requests, run.where) as beside_few,
        offices.with_people(many, run.requests, run.where) as beside_many,
    ):
        found: dict[int, list[float]] = {few: [], many: []}
        for _ in range(run.rounds):
            found[few] += offices.handovers(beside_few, 20)
            found[many] += offices.handovers(beside_many, 20)
    for beside, took in found.items():
        middle, most = statistics.median(took), max(took)
        run.tell(f"Handover of ten beside {beside:,}: {middle:.2f} ms, at most {most:.2f}")
    ratio = statistics.median(found[many]) / statistics.median(found[few])
    run.aim("× beside 1,000: Handover of ten beside 100,000", ratio, 1.2, at_most=True)


def backup(run: Run) -> None:
    """Back up, check and restore files with few tasks and with a million."""
    each: dict[str, list[float]] = {}
    for count in backups.SIZES:
        with backups.filled(count, run.where) as data:
            for name, took in backups.commands(data, run.where).items():
                us = took.cpu_s / count * 1e6
                each.setdefault(name, []).append(us)
                run.tell(
                    f"{name:8}{count:>10,} tasks {took.seconds:>8.2f} s, {took.cpu_s:>7.2f} s of"
                    f" processor, {us:>6.1f} µs each, {took.mib:>4.0f} MiB"
                )
    for name, (*_, before, last) in each.items():
        what = f"× as much a task: {name} of {backups.SIZES[-1]:,} as of {backups.SIZES[-2]:,}"
        run.aim(what, last / before, 1.3, at_most=True)


def beside_backup(run: Run) -> None:
    """Register while the daemon backs a large file up by itself."""
    with backups.filled(backups.SIZES[-1], run.where) as data:
        found = [backups.beside(data, run.where) for _ in range(run.rounds)]
    for before, meanwhile, took_s in found:
        run.tell(
            f"a backup of {backups.SIZES[-1]:,} tasks, {took_s:.1f} s: Register waits"
            f" {before.p50:.1f} ms before (p99 {before.p99:.1f}, at most {before.most:.1f}),"
            f" {meanwhile.p50:.1f} ms meanwhile (p99 {meanwhile.p99:.1f}, at most"
            f" {meanwhile.most:.1f})"
        )
    most = statistics.median(meanwhile.most for _, meanwhile, _ in found)
    run.aim("ms, the longest Register beside a backup", most, 50, at_most=True)


PARTS: dict[str, Callable[[Run], None]] = {
    "ceiling": ceiling,
    "register-new": lambda run: rates(run, "register new"),
    "register-again": lambda run: rates(run, "register again"),
    "update": lambda run: rates(run, "update"),
    "find": lambda run: rates(run, "find"),
    "sustained": sustained,
    "in-turn": in_turn,
    "million": million,
    "beats": beats,
    "pings": pings,
    "fan-out": fan_out,
    "mass-death": mass_death,
    "due": due,
    "bytes": bytes_,
    "latency": latency,
    "tokens": tokens,
    "board": lambda run: beside(run, offices.ALONE, offices.UNSEEN, offices.OPEN),
    "watchers": lambda run: beside(run, offices.ALONE, offices.WATCHED),
    "figures": figures,
    "handover": handover,
    "backup": backup,
    "beside-backup": beside_backup,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a measurement")
    parser.add_argument(
        "--lasting", type=float, default=10.0, metavar="SECONDS", help="of one that shows later"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--svg", type=Path, help="draw the ratios here")
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    print(f"requests a second: median of {options.rounds} rounds ± half the range\n{head()}")
    with tempfile.TemporaryDirectory(prefix="taskdash-bench-", dir=options.dir) as where:
        run = Run(options.rounds, options.seconds, options.lasting, Path(where))
        for part in options.only:
            PARTS[part](run)
    print()
    for goal in run.goals:
        print(goal.text())
    save(servers.BUILD / "results.json", run.rows, run.facts, run.goals)
    if options.svg:
        options.svg.write_text(svg(run.rows))


if __name__ == "__main__":
    main()
