"""Decisions looked at from beside: one on a line of text, a logged one made again, one laid out to be read.

Nothing here reads the world: lines and accounts come in, plain values and text go out. So the room needs `situation`
and what is below it, and stands beside `telemetry`, whose accounts it reads as the JSON that they are.
"""
