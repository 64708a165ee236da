"""Fuzzing of everything that is read from outside: settings, tags, the web configuration, arguments, answers of AWS.

`make fuzz` runs each target for ten minutes; `test_fuzz.py` runs a few fixed examples of each.
"""
