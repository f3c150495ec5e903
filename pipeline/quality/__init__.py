"""What is odd in a cohort or in a series, as findings and verdicts."""
