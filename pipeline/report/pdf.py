"""SVG images to PDF, for papers; what does it comes with the extra ``figures``."""

from importlib import import_module
from io import BytesIO, StringIO

from pipeline.errors import UsageError


def to_pdf(svg: str) -> bytes:
    """Return a standalone image as a PDF of one page; raises UsageError where the extra is not installed."""
    try:
        reader, writer = import_module("svglib.svglib"), import_module("reportlab.graphics.renderPDF")
    except ImportError as error:
        msg = "figures as PDF need svglib: pip install 'ctprep[figures]'"
        raise UsageError(msg) from error
    page = BytesIO()
    writer.drawToFile(reader.svg2rlg(StringIO(svg)), page)
    return page.getvalue()
