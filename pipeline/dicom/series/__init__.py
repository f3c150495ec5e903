"""What is wrong with a series, or worth a warning, and what may be mended before its pixels are read."""
