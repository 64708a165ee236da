"""Reports of a simulation: a table for a terminal and one self-contained HTML page.

Both show the same comparison. Neither computes a score.
"""
