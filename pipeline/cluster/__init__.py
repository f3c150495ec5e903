"""Runs one plain function over many jobs, on the workers of a Dask cluster."""
