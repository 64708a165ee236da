"""The control loop of each service, the supervisor of the loops, and their shared rate limiter."""
