"""A small SVG sheet: marks by kind and place, so that one drawing serves the page, its dark mode and a paper.

Coordinates are pixels of the sheet, y downwards.  Colours are classes, which the page's style and `standalone` define.
"""

from dataclasses import dataclass, field

from markupsafe import Markup, escape

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
