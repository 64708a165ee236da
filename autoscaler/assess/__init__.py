"""`assess`: what every service of a cluster costs and how late its messages are, and both under this daemon.

Read-only. `choosing` finds the queue of a service, `reading` reads AWS, `recorded` computes the figures of the past,
`replayed` simulates the daemon on the recorded arrivals, `assessment` joins them with the `notes` of each service, and
`document`, `page` and `table` show them.
"""
