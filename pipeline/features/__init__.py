"""Features of a volume in Hounsfield units, before any step."""
