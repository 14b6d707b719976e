"""Results of a run: kept, printed as text, drawn as a picture."""

import json
import statistics
from collections.abc import Sequence
from html import escape
from math import log10
from pathlib import Path
from typing import Any, Final

import machine

OURS: Final = "taskdashd"
PEERS: Final = ("Redis", "etcd", "bare trio")


class Row:
    """One workload in one shape: what each peer reached, round by round."""

    def __init__(self, workload: str, shape: str, rates: dict[str, list[float]]) -> None:
        self.workload, self.shape, self.rates = workload, shape, rates

    def ratio(self, peer: str) -> tuple[float, float, float] | None:
        """Give our rate by a peer's: of the medians, and the smallest and largest in one round."""
        if not self.rates.get(peer):
            return None
        rounds = [ours / its for ours, its in zip(self.rates[OURS], self.rates[peer], strict=True)]
        return self.median(OURS) / self.median(peer), min(rounds), max(rounds)

    def median(self, peer: str) -> float:
        """Give a peer's median."""
        return statistics.median(self.rates[peer])

    def text(self) -> str:
        """Give the line of the table."""
        cells = [f"{self.workload:14}{self.shape:>7}"]
        cells += [self._cell(peer) for peer in (OURS, *PEERS)]
        for peer in PEERS:
            ratio = self.ratio(peer)
            cells.append(f"{ratio[0]:>6.2f}" if ratio else " " * 6)
        return "  ".join(cells)

    def _cell(self, peer: str) -> str:
        rates = self.rates.get(peer)
        if not rates:
            return f"{'-':>14}"
        middle = statistics.median(rates)
        return f"{middle:>8,.0f} ±{(max(rates) - min(rates)) / 2 / middle:>4.0%}"


def head() -> str:
    """Give the head of the table."""
    names = "  ".join(f"{name:>14}" for name in (OURS, *PEERS))
    return f"{'requests/s':14}{'shape':>7}  {names}  {'÷Redis':>6}  {'÷etcd':>6}  {'÷trio':>6}"


class Goal:
    """A figure that the project wants to reach."""

    def __init__(self, what: str, value: float, goal: float, *, at_most: bool = False) -> None:
        self.what, self.value, self.goal, self.at_most = what, value, goal, at_most

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def text(self) -> str:
        """Give the goal's line."""
        sign = "≤" if self.at_most else "≥"
        verdict = "met" if self.met else "MISSED"
        return f"{verdict:7}{self.value:>9.2f}  {sign} {self.goal:<6g} {self.what}"


# The picture

_COLOURS: Final = {"Redis": "#b3372f", "etcd": "#2a6fb0", "bare trio": "#3d7d44"}
_LEFT, _WIDTH, _LINE = 190, 560, 22
_FROM, _TO = 0.05, 100.0


def _x(ratio: float) -> float:
    inside = min(max(ratio, _FROM), _TO)
    return _LEFT + _WIDTH * log10(inside / _FROM) / log10(_TO / _FROM)


def svg(rows: Sequence[Row]) -> str:
    """Draw our rate by each peer's, a line for each workload, on a logarithmic axis."""
    height = 80 + _LINE * len(rows)
    bottom = height - 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 30} {height}"'
        ' font-family="system-ui, sans-serif" font-size="12" role="img">',
        "<title>Requests a second of taskdashd by those of its peers</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        '<text x="12" y="20" font-size="14" font-weight="600" fill="#222">Requests a second, times'
        " those of …</text>",
    ]
    for number, (peer, colour) in enumerate(_COLOURS.items()):
        at = 330 + number * 110
        parts.append(f'<circle cx="{at}" cy="16" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{at + 10}" y="20" fill="#222">{peer}</text>')
    for tick in (0.1, 0.3, 1, 3, 10, 30, 100):
        x = _x(tick)
        stroke = '"#222"' if tick == 1 else '"#ddd"'
        parts.append(f'<line x1="{x:.1f}" y1="34" x2="{x:.1f}" y2="{bottom}" stroke={stroke}/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle" fill="#555">{tick:g}×</text>'
        )
    for number, row in enumerate(rows):
        parts += _line(row, 50 + number * _LINE)
    return "\n".join([*parts, "</svg>", ""])


def _line(row: Row, y: float) -> list[str]:
    label = escape(f"{row.workload}, {row.shape}")
    parts = [f'<text x="12" y="{y + 4}" fill="#222">{label}</text>']
    for peer, colour in _COLOURS.items():
        ratio = row.ratio(peer)
        if ratio is None:
            continue
        middle, low, high = ratio
        parts.append(
            f'<line x1="{_x(low):.1f}" y1="{y}" x2="{_x(high):.1f}" y2="{y}" stroke="{colour}"'
            ' stroke-width="3" stroke-opacity="0.35"/>'
        )
        title = escape(f"{label}: {middle:.2f} of {peer} ({low:.2f} to {high:.2f})")
        parts.append(
            f'<circle cx="{_x(middle):.1f}" cy="{y}" r="5" fill="{colour}"><title>{title}</title>'
            "</circle>"
        )
    return parts


def save(path: Path, rows: Sequence[Row], facts: Sequence[str], goals: Sequence[Goal]) -> None:
    """Keep the results, for whoever wants to compare."""
    kept: dict[str, Any] = {
        "measured_with": machine.told(),
        "rows": [{"workload": r.workload, "shape": r.shape, "rates": r.rates} for r in rows],
        "facts": list(facts),
        "goals": [{"what": g.what, "value": g.value, "goal": g.goal, "met": g.met} for g in goals],
    }
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
