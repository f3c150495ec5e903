"""What is known of a cohort beside its images: tables and masks, joined to the series that they speak of."""
