"""Simulator: run the core of this autoscaler in virtual time, and compare it with its peers and the clairvoyant oracle.

The simulator implements the ports; production code does not import it. Invariant: with equal settings and an equal
seed, the outcome is equal to the last bit.
"""
