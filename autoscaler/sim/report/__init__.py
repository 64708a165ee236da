"""What was found, for people: a table for a terminal and one self-contained page.

Both say the same, from the same comparison; neither computes a score.
"""
