"""Inspect decisions outside the control loop: decide a line of text, replay a logged decision, print one decision.

Except for `asking`, which sends HTTP requests to the daemon, the modules take lines and accounts and return plain
values and text. The package uses `situation` and the packages below it. It does not use `telemetry`: it reads the
accounts of `telemetry` as JSON.
"""
