"""What two files or series differ in, as one offline page."""

from pathlib import Path

from pipeline.audit.difference import Comparison, in_words
from pipeline.report.render import environment

TEMPLATES = Path(__file__).parent


def difference_page(compared: Comparison, a: str, b: str) -> str:
    """Return the page; ``a`` and ``b`` name the sides, and everything that comes from data is escaped."""
    page = environment(TEMPLATES).get_template("difference.html.j2")
    return page.render(compared=compared, a=a, b=b, in_words=in_words)
