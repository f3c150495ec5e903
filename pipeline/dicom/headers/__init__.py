"""Elements to slices: what each image says of itself, and which of them call themselves one series."""
