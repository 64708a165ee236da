"""The pure core: readings go in, one decision comes out. By import contract: no clock, no I/O, no randomness."""
