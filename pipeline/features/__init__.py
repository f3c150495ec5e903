"""What the Hounsfield units of a volume say before any step."""
