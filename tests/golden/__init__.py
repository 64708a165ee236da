"""Golden situations: histories of a service told in `*.story` files, which need no Python to be read."""
