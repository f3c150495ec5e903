"""Charts as SVG, and the sheet that they are drawn on: bars, a histogram, a scatter plot with margins, HU by tissue.

One drawing serves the page, its dark mode and a paper.  Coordinates are pixels of the sheet, y downwards.  Colours are
classes, which the style of the page and `standalone` define.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10, sqrt
from typing import NamedTuple

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from pipeline.features.statistics import Histogram
from pipeline.features.tissue import TISSUES, Tissue
from pipeline.report.render import figure, percent

WIDTH = 420
"""All sheets are as wide as a phone, so that their words are read at about the size of the text around them."""

PAPER_STYLE = (
    ".mark{fill:#0b626c}.faint{fill:#85b0b5}.gap{fill:#e1bba8}.alert{fill:#9a4108}.band{fill:#ecedec}"
    ".axis{stroke:#556067;fill:none}.rule{stroke:#d9dcd7;fill:none}.line{stroke:#0b626c;fill:none;stroke-width:1}"
    "text{fill:#1b2124;font:12px Helvetica,Arial,sans-serif}.quiet{fill:#556067}"
)
"""Solid colours: not every program that reads SVG knows opacity in styles."""

PAPER_MARGIN = 72
"""Room for words that stand out over the sheet's sides; on a page they overlap its margin."""

PLAIN = str.maketrans({"\N{NARROW NO-BREAK SPACE}": " ", "\N{MINUS SIGN}": "-"})
"""Characters that every font has."""

MOST_BARS = 20
"""More categories than this cannot be distinguished at a glance; the table has them all."""

ROW, ROW_BELOW_NAME, MOST_BINS = 20, 34, 30
WIDEST = 40
"""Of a bin's column: a single one shall not look like a block."""

LABEL, LONGEST_BESIDE, LONGEST_ABOVE = 150, 22, 62
"""Width of the names beside bars, and how many characters fit there, and above a bar."""

LOW_HU, HIGH_HU = -1200, 2000
STEP_HU = 10
"""The page is read by eye: 1 HU is finer than a screen shows, and a rescale slope of 2 would look like a comb."""

TICKS_HU = (-1000, -500, 0, 500, 1000, 1500, 2000)
PLOT_LEFT, PLOT_TOP, PLOT_HEIGHT = 32.0, 30.0, 150.0
PLOT_WIDTH = WIDTH - PLOT_LEFT - 18.0
RAISED = {"water"}
"""Its name stands a line higher: it is too near to its neighbours."""


@dataclass
class Canvas:
    """A sheet that is being drawn on."""

    height: float
    parts: list[Markup] = field(default_factory=list)

    def rect(self, kind: str, box: tuple[float, float, float, float], tip: str = "") -> None:
        """Fill a box (x, y, width, height); ``tip`` is shown where a pointer rests on it."""
        x, y, width, height = box
        title = Markup("<title>{}</title>").format(tip) if tip else Markup()
        self.parts.append(
            Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
                kind, _px(x), _px(y), _px(max(width, 0)), _px(max(height, 0)), title
            )
        )

    def circle(self, kind: str, centre: tuple[float, float], radius: float, tip: str = "") -> None:
        """Fill a disc."""
        self.parts.append(
            Markup('<circle class="{}" cx="{}" cy="{}" r="{}"><title>{}</title></circle>').format(
                kind, _px(centre[0]), _px(centre[1]), _px(radius), tip
            )
        )

    def path(self, kind: str, data: str) -> None:
        """Draw an SVG path."""
        self.parts.append(Markup('<path class="{}" d="{}"/>').format(kind, data))

    def line(self, kind: str, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a straight line."""
        self.path(kind, f"M{_px(start[0])} {_px(start[1])}L{_px(end[0])} {_px(end[1])}")

    def text(self, words: str, at: tuple[float, float], anchor: str = "start", kind: str = "") -> None:
        """Write words whose ``anchor`` (start, middle, end) stands at a place."""
        self.parts.append(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                kind, _px(at[0]), _px(at[1]), anchor, words
            )
        )

    def svg(self, name: str, title: str, description: str) -> Markup:
        """Return the sheet as an SVG image that a screen reader can read; ``name`` is unique on the page."""
        return Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{title}</title>'
            '<desc id="{name}-desc">{description}</desc>{parts}</svg>'
        ).format(
            width=WIDTH,
            height=_px(self.height),
            name=name,
            title=title,
            description=description,
            parts=Markup().join(self.parts),
        )


def standalone(svg: str) -> str:
    """Return an image for a paper: the same drawing with its own colours, on white, with room at its sides."""
    head, body = str(svg).split(">", 1)  # of marked-up text, a replacement would be escaped
    height = head.partition(f'viewBox="0 0 {WIDTH} ')[2].partition('"')[0]
    wide = WIDTH + 2 * PAPER_MARGIN
    box = f'viewBox="{-PAPER_MARGIN} 0 {wide} {height}" width="{wide}" height="{height}"'
    paper = f'<rect x="{-PAPER_MARGIN}" y="0" width="{wide}" height="{height}" fill="#fff"/>'
    head = head.replace(f'viewBox="0 0 {WIDTH} {height}"', box)
    return f"{head}><style>{escape(PAPER_STYLE)}</style>{paper}{body}\n".translate(PLAIN)


def cut(words: str, length: int) -> str:
    """Shorten words to ``length`` characters; the whole is in the table."""
    return words if len(words) <= length else f"{words[: length - 1]}\N{HORIZONTAL ELLIPSIS}"


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Figure:
    """A chart, the table behind it, and what both are called; ``name`` is a file's name too."""

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    svg: Markup


def bars(name: str, title: str, what: str, counts: Sequence[tuple[str, float]], unit: str = "series") -> Figure:
    """Draw one bar a category, in the order given."""
    shown = counts[:MOST_BARS]
    rows = _place_names([label for label, _ in shown])
    canvas = rows.canvas
    most = max((value for _, value in shown), default=1) or 1
    for (label, value), y in zip(shown, rows.places, strict=True):
        width = (WIDTH - rows.left - 60) * value / most
        canvas.rect("mark", (rows.left, y, width, ROW - 6), f"{label}: {figure(value, 1)}")
        canvas.text(figure(value, 1), (rows.left + width + 6, y + 11), kind="quiet")
    left_out = f"; the first {len(shown)} are drawn" if len(counts) > len(shown) else ""
    note = f"{figure(len(counts))} value{'s' * (len(counts) != 1)}{left_out}."
    return Figure(name, title, note, (what, unit), tuple(counts), canvas.svg(f"f-{name}", title, _describe(shown)))


class _Rows(NamedTuple):
    """Rows whose names are written: the sheet, how far from the left they begin, and how far down."""

    canvas: Canvas
    left: float
    places: tuple[float, ...]


def _place_names(names: Sequence[str]) -> _Rows:
    """Write names beside their rows on a new sheet, or where one is too long for that above them."""
    above = any(len(name) > LONGEST_BESIDE for name in names)
    step, left = (ROW_BELOW_NAME, 0.0) if above else (ROW, float(LABEL))
    canvas, places = Canvas(step * len(names) + 6), []
    for n, name in enumerate(names):
        y = step * n + 5
        if above:
            canvas.text(cut(name, LONGEST_ABOVE), (0, y + 9))
        else:
            canvas.text(cut(name, LONGEST_BESIDE), (LABEL - 8, y + 11), "end")
        places.append(y + (step - ROW))
    return _Rows(canvas, left, tuple(places))


class GroupRange(NamedTuple):
    """Where the values of a group lie: its name, the 5th, 50th and 95th percentile, and of how many series."""

    name: str
    low: float
    middle: float
    high: float
    n_series: int


def ranges(name: str, title: str, what: str, spreads: Sequence[GroupRange], unit: str) -> Figure:
    """Draw from where to where most values of each group lie, with a mark at the median."""
    shown = spreads[:MOST_BARS]
    least, most = min(one.low for one in shown), max(one.high for one in shown)
    rows = _place_names([one.name for one in shown])
    canvas, width = rows.canvas, WIDTH - rows.left - 60
    scale = width / (most - least) if most > least else 0.0
    for one, y in zip(shown, rows.places, strict=True):
        at = [rows.left + scale * (value - least) for value in one[1:4]]
        tip = f"{one.name}: {figure(one.low, 1)} to {figure(one.high, 1)}, median {figure(one.middle, 1)} {unit}"
        canvas.rect("faint", (at[0], y + 3, max(at[2] - at[0], 1), ROW - 12), tip)
        canvas.rect("mark", (at[1] - 1.5, y, 3, ROW - 6), tip)
        canvas.text(figure(one.middle), (WIDTH, y + 11), "end", "quiet")
    canvas.text(f"{figure(least)} {unit}", (rows.left, canvas.height + 12), kind="quiet")
    canvas.text(f"{figure(most)} {unit}", (rows.left + width, canvas.height + 12), "end", "quiet")
    canvas.height += 18
    note = f"Bars reach from the 5th to the 95th percentile, with a mark and a number at the median, {unit}."
    columns = (what, f"5th percentile, {unit}", f"median, {unit}", f"95th percentile, {unit}", "series")
    return Figure(name, title, note, columns, tuple(spreads), canvas.svg(f"f-{name}", title, note))


def matrix(
    name: str, title: str, rows: Sequence[str], columns: Sequence[str], shares: Mapping[tuple[str, str], float]
) -> Figure:
    """Draw a share for each pair of a row and a column as a square of that area."""
    side, left, below = 22.0, 190.0, 24 + 22.0 * len(rows)
    canvas = Canvas(below + 17 * len(columns) + 14)
    for n, column in enumerate(columns):
        canvas.text(str(n + 1), (left + side * (n + 0.5), 16), "middle", "quiet")
        canvas.text(f"{n + 1}  {cut(column, LONGEST_ABOVE)}", (0, below + 17 * n + 22), kind="quiet")
    for m, row in enumerate(rows):
        canvas.text(cut(row, 28), (left - 8, 24 + side * m + 15), "end")
        for n, column in enumerate(columns):
            share = shares.get((row, column), 0.0)
            size, middle = (side - 2) * sqrt(share), (left + side * (n + 0.5), 24 + side * (m + 0.5))
            canvas.rect("band", (middle[0] - side / 2 + 1, middle[1] - side / 2 + 1, side - 2, side - 2))
            if share:
                box = (middle[0] - size / 2, middle[1] - size / 2, size, size)
                canvas.rect("alert", box, f"{row}, {column}: {percent(share)}")
    note = "A square's area is the share of a scanner's series that lack the element; below are the scanners' names."
    table = tuple((row, column, round(shares.get((row, column), 0.0), 4)) for row in rows for column in columns)
    return Figure(name, title, note, ("element", "scanner", "share"), table, canvas.svg(f"f-{name}", title, note))


def histogram(name: str, title: str, what: str, values: Sequence[float], unit: str = "") -> Figure:
    """Draw how often numbers occur, in bins of a round width."""
    bins = bin_values(values)
    canvas = Canvas(170)
    _columns(canvas, bins, (40.0, 10.0, WIDTH - 60.0, 125.0))
    low, high = bins[0][0], bins[-1][1]
    for share in (0, 0.5, 1):
        tick = f"{figure(low + share * (high - low), 3)}{' ' + unit if share == 1 and unit else ''}"
        canvas.text(tick, (40 + share * (WIDTH - 60), 155), ("start", "middle", "end")[int(2 * share)], "quiet")
    canvas.text(figure(max(count for *_, count in bins)), (34, 20), "end", "quiet")
    ordered = sorted(values)
    note = (
        f"{figure(len(values))} series: {figure(ordered[0], 3)} to {figure(ordered[-1], 3)}, "
        f"median {figure(ordered[len(ordered) // 2], 3)}{' ' + unit if unit else ''}."
    )
    rows = tuple((round(low, 6), round(high, 6), count) for low, high, count in bins if count)
    return Figure(name, title, note, (f"{what} from", "to", "series"), rows, canvas.svg(f"f-{name}", title, note))


def scatter(name: str, title: str, axes: tuple[str, str], points: Sequence[tuple[float, float]]) -> Figure:
    """Draw pairs of numbers as discs whose area is how often they occur, each axis with its histogram."""
    places = Counter(points)
    xs, ys = bin_values([x for x, _ in points]), bin_values([y for _, y in points])
    left, top, width, height = 60.0, 74.0, WIDTH - 144.0, 170.0
    canvas = Canvas(top + height + 52)
    canvas.path("axis", f"M{left - 12} {top - 12}V{top + height + 12}H{left + width + 12}")
    _columns(canvas, xs, (left, 6.0, width, top - 24))
    most = max(count for *_, count in ys)
    for low, high, count in ys:
        y, step = top + height * (1 - _share(high, ys)), height * (_share(high, ys) - _share(low, ys))
        tip = f"{figure(low, 3)} to {figure(high, 3)}: {count}"
        canvas.rect("mark", (left + width + 18, y, 56 * count / most, max(step - 1, 1)), tip)
    biggest = max(places.values())
    for (x, y), count in sorted(places.items()):
        centre = (left + width * _share(x, xs), top + height * (1 - _share(y, ys)))
        tip = f"{axes[0]} {figure(x, 3)}, {axes[1]} {figure(y, 3)}: {count}"
        canvas.circle("faint", centre, 2.5 + 9 * sqrt(count / biggest), tip)
    _ends(canvas, (left, top, width, height), (xs[0][0], xs[-1][1]), (ys[0][0], ys[-1][1]))
    canvas.text(f"{axes[0]} (across), {axes[1]} (up)", (left, top + height + 44), kind="quiet")
    note = f"{figure(len(points))} series at {figure(len(places))} places; a disc's area is how many lie there."
    rows = tuple((x, y, count) for (x, y), count in sorted(places.items()))
    return Figure(name, title, note, (*axes, "series"), rows, canvas.svg(f"f-{name}", title, note))


def bin_values(values: Sequence[float]) -> list[tuple[float, float, int]]:
    """Return at most ``MOST_BINS`` + 1 bins of a round width from least to greatest value: low, high, count."""
    low, high = min(values), max(values)
    step = _round_up((high - low) / MOST_BINS) if high > low else max(abs(low), 1) / 10
    first = floor(low / step)
    counts = Counter(floor(round(value / step, 6)) - first for value in values)
    return [((first + i) * step, (first + i + 1) * step, counts[i]) for i in range(max(counts) + 1)]


def _round_up(step: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** floor(log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _columns(canvas: Canvas, bins: Sequence[tuple[float, float, int]], box: tuple[float, float, float, float]) -> None:
    left, top, width, height = box
    most = max(count for *_, count in bins)
    step = width / len(bins)
    wide = min(max(step - 1, 0.8), WIDEST)
    for i, (low, high, count) in enumerate(bins):
        if count:
            tall = max(height * count / most, 1.5)
            tip = f"{figure(low, 3)} to {figure(high, 3)}: {figure(count)}"
            canvas.rect("mark", (left + (i + 0.5) * step - wide / 2, top + height - tall, wide, tall), tip)
    canvas.line("axis", (left, top + height), (left + width, top + height))


def _share(value: float, bins: Sequence[tuple[float, float, int]]) -> float:
    return (value - bins[0][0]) / (bins[-1][1] - bins[0][0])


def _ends(
    canvas: Canvas, box: tuple[float, float, float, float], xs: tuple[float, float], ys: tuple[float, float]
) -> None:
    left, top, width, height = box
    canvas.text(figure(xs[0], 3), (left, top + height + 26), kind="quiet")
    canvas.text(figure(xs[1], 3), (left + width, top + height + 26), "end", "quiet")
    canvas.text(figure(ys[0], 3), (left - 16, top + height + 4), "end", "quiet")
    canvas.text(figure(ceil(ys[1]), 3), (left - 16, top + 4), "end", "quiet")


def _describe(counts: Sequence[tuple[str, float]]) -> str:
    return "; ".join(f"{label}: {figure(value, 1)}" for label, value in counts[:6])


def plot_of(histogram: Histogram, name: str, title: str) -> Figure:
    """Draw a histogram that holds at least one voxel, with the share of each tissue as its table."""
    counts = bin_histogram(histogram)
    decades = max(int(np.ceil(np.log10(counts.max() + 1))), 1)
    canvas = Canvas(PLOT_TOP + PLOT_HEIGHT + 24)
    _draw_tissues(canvas)
    for n in range(1, decades + 1):
        y = PLOT_TOP + PLOT_HEIGHT * (1 - n / decades)
        canvas.line("rule", (PLOT_LEFT, y), (PLOT_LEFT + PLOT_WIDTH, y))
        canvas.text(_power_of_ten(n), (PLOT_LEFT - 5, y + 4), "end", "quiet")
    canvas.path("mark", _outline(PLOT_TOP + PLOT_HEIGHT * (1 - np.log10(counts + 1) / decades)))
    canvas.line("axis", (PLOT_LEFT, PLOT_TOP + PLOT_HEIGHT), (PLOT_LEFT + PLOT_WIDTH, PLOT_TOP + PLOT_HEIGHT))
    for hu in TICKS_HU:
        canvas.text(figure(hu), (_x(hu), PLOT_TOP + PLOT_HEIGHT + 16), "middle", "quiet")
    note = in_words(histogram, int(counts.sum()))
    rows = tuple((tissue.name, tissue.low_hu, tissue.high_hu, n, round(s, 6)) for tissue, n, s in shares(histogram))
    columns = ("tissue", "from HU", "to HU", "voxels", "share")
    return Figure(name, title, note, columns, rows, canvas.svg(f"f-{name}", title, note))


def shares(histogram: Histogram) -> list[tuple[Tissue, int, float]]:
    """Return for each tissue how many of the valid voxels lie in its range, and their share."""
    total = max(histogram.total, 1)
    counts = [(tissue, int(histogram.count_between(tissue.low_hu, tissue.high_hu).sum())) for tissue in TISSUES]
    return [(tissue, count, count / total) for tissue, count in counts]


def bin_histogram(histogram: Histogram) -> NDArray[np.int64]:
    """Return the counts in steps of ``STEP_HU`` from ``LOW_HU`` to ``HIGH_HU``."""
    counts: NDArray[np.int64] = histogram.count_between(LOW_HU, HIGH_HU).reshape(-1, STEP_HU).sum(axis=1)
    return counts


def in_words(histogram: Histogram, shown: int) -> str:
    """Say where most of a histogram lies, and what of it is not drawn."""
    middle, low, high = (figure(histogram.percentile(share)) for share in (50, 1, 99))
    within = f"Median {middle} HU; 98 % of the voxels lie between {low} and {high} HU"
    if shown == histogram.total:
        return f"{within}."
    beyond = percent(1 - shown / histogram.total)
    return f"{within}; {beyond} lie outside {figure(LOW_HU)} to {figure(HIGH_HU)} HU and are not drawn."


def _draw_tissues(canvas: Canvas) -> None:
    for tissue in TISSUES:
        x, width = _x(tissue.low_hu), _x(tissue.high_hu) - _x(tissue.low_hu)
        canvas.rect("band", (x, PLOT_TOP, width, PLOT_HEIGHT), f"{tissue.name}: {tissue.low_hu} to {tissue.high_hu} HU")
    for name, hu, anchor in (
        ("air", -1000, "middle"),
        ("lung", -725, "middle"),
        ("fat", -100, "end"),
        ("water", 0, "middle"),
        ("soft tissue", 20, "start"),
        ("bone", 1125, "middle"),
    ):
        canvas.text(name, (_x(hu), PLOT_TOP - (16 if name in RAISED else 4)), anchor, "quiet")


def _x(hu: float) -> float:
    return PLOT_LEFT + PLOT_WIDTH * (hu - LOW_HU) / (HIGH_HU - LOW_HU)


def _outline(heights: NDArray[np.float64]) -> str:
    """Return the SVG path of a stair, one stair a step of HU, closed along the ground."""
    ground, step = PLOT_TOP + PLOT_HEIGHT, PLOT_WIDTH / heights.size
    stairs = "".join(f"V{height:.1f}H{PLOT_LEFT + step * (i + 1):.1f}" for i, height in enumerate(heights))
    return f"M{PLOT_LEFT:.1f} {ground:.1f}{stairs}V{ground:.1f}Z"


def _power_of_ten(n: int) -> str:
    """Return 1, 10, 100, 1k ... 1G: short enough for a margin."""
    return f"{10 ** (n % 3)}{'kMGTP'[n // 3 - 1] if n >= 3 else ''}"
