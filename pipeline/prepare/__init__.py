"""One series, from its files to a finished store and its record; runs in a worker."""
