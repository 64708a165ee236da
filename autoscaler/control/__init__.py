"""The loop of each service, their supervisor, and the pacing of calls that they share."""
