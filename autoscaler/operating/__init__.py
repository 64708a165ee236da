"""What the operator's commands find out and do, beside the daemon: rights, examinations, pauses, first files.

A composition root like `app.py`, and never a part of it: what a command may do (write a tag, ask who it is) is no right
of the daemon's role, and the daemon does not import it. The commands in `cli/` only read arguments and print.
"""
