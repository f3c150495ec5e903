"""Findings about a cohort, and verdicts about a series."""
