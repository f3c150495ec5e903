"""Patients, splits and labels of a cohort, and how they join its series."""
