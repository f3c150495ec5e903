"""The jobs of the program, from an opened output to its published tables."""
