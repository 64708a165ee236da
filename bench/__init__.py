"""Benchmarks of the product's speed and memory."""
