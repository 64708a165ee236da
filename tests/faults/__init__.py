"""Deterministic simulation of the whole daemon under faults, as FoundationDB and TigerBeetle test their databases.

The real supervisor, service loops, rate limiter, reload, discovery, admission and journal run on an event loop in
virtual time, against a simulated Region. One seed gives one run: services with their settings and load, and a list of
faults. A run is the same, bit for bit, in every process. An observer sees only the calls, the answers and the truth of
the Region, and checks the guarantees at every request, and the recovery after the faults.

    timeloop              the event loop in virtual time: no threads, no sockets; freezes, and a hook at each await
    workload, region      the truth: tasks, messages, CloudWatch minutes, tags; what AWS shows of it under faults
    plan, drawing         the kinds of faults, a fault as text; services and faults from a seed
    ports, adapters       how a daemon is connected: at its ports, or with the real adapters over the protocols of AWS
    exchange              the HTTP requests of the real adapters, and their answers under faults
    process, running      one process of the daemon, composed as in `autoscaler/app.py`; one run
    effects               how each fault of the world, the settings and the daemon begins and ends
    ledger, auditor       what passed between daemon and AWS; S1 to S16 as formulas over it
    recovery              what must happen in time: L2 to L6, L9, L10, and the minimum
    guarantees            the guarantees in words, where each is checked, and what is known to fail today
    crashes               a crash at every await of a run
    campaign, shrinking   many runs in processes; a failing run with as few faults as possible
    planted, catching     bugs of one line each, and the runs that catch them
    figures, page         the last recorded figures, `docs/guarantees.md`
    __main__              the command

What outlives a crash is the Region, CloudWatch's minutes and the settings file, and nothing else. A fault changes
nothing but itself: load, settings and random numbers depend on the seed alone, so faults can be removed one by one.
"""
