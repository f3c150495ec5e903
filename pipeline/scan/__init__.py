"""Headers to series: files are read once, grouped, checked by their headers and counted."""
