"""What two files or series differ in, as one offline page."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.difference import Comparison, in_words

TEMPLATES = Path(__file__).parent


def difference_page(compared: Comparison, a: str, b: str) -> str:
    """Return the page; ``a`` and ``b`` name the sides, and everything that comes from data is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["in_words"] = in_words
    return environment.get_template("difference.html.j2").render(compared=compared, a=a, b=b)
