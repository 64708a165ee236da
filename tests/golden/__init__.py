"""Golden tests: histories of a service in `*.story` files, readable without Python."""
