"""The loop of each service, the crew that they are, and the pacing of calls that they share."""
