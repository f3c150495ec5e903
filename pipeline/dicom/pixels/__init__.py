"""Stored values to Hounsfield units: decoded, put right, and doubted."""
