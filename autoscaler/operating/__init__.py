"""The logic of the operator's commands, separate from the daemon: permissions, checks, pauses, diagnoses, and the files
of a first start.

A composition root like `app.py`. The daemon does not import it, because the daemon's role has no permission for some of
its calls (write a tag, read the caller identity). The commands in `cli/` only read arguments and print.
"""
