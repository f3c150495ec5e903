"""Commands that look at a finished output and never repair it."""
