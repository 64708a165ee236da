"""The pure core: readings in, one decision out. No clock, no I/O, no randomness, by import contract."""
