"""Which series are wanted, and which of several is the best."""
