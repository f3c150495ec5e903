"""Imported once by the process that workers' children are copied from: readers, decoders, zarr, and compiled loops."""

import pipeline.scan.headers
import pipeline.scan.masks  # noqa: F401
from pipeline.prepare.series import warm

warm()
