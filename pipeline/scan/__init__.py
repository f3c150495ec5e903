"""Headers to series: files are read once, grouped, judged by their headers and counted."""
