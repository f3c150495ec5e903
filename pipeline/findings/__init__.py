"""What a person should know of a cohort before using it, found in its headers; knows no pixels."""

from pipeline.findings.find import findings_of
from pipeline.findings.finding import Finding, write_findings

__all__ = ["Finding", "findings_of", "write_findings"]
