"""The parts of hard_series.py: a phantom, the series made of it, the programs that read them, and the judge."""
