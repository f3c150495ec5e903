"""What a person should know of a cohort before using it, found in its headers; knows no pixels."""

from pipeline.findings.finding import Finding, write_findings
from pipeline.findings.find import findings_of

__all__ = ["Finding", "findings_of", "write_findings"]
