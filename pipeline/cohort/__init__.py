"""Who is who in a cohort: patients, splits and labels, and how they join."""
