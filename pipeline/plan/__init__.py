"""What there is to do: which series are new, changed, stale, done or gone, and what each will cost."""
