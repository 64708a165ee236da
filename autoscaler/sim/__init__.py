"""Simulator: run the product's own core in virtual time, next to its peers and the clairvoyant oracle.

The simulator implements the ports; production code does not import it. Invariant: with equal settings and an equal
seed, the outcome is equal to the last bit.
"""
