"""The guarantees: each one as a formula that the observer checks, and where else it is checked.

`KNOWN` lists what fails today, with the reason. A violation under a known fault is counted apart and does not fail a
run; the entry is removed together with the fault.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.faults.auditor import Violation
from tests.faults.drawing import DrawnRun
from tests.faults.plan import EVERY


class Guarantee(NamedTuple):
    """`words`: in one sentence. `formula`: what is checked at which time. `simulated`: whether the simulation checks
    it. `elsewhere`: other tests of the same.
    """

    name: str
    words: str
    formula: str
    simulated: bool = True
    elsewhere: str = ""


GUARANTEES: tuple[Guarantee, ...] = (
    Guarantee(
        "S1",
        "No count outside the bounds is written; below the minimum it is raised at once.",
        "Each UpdateService: count <= the highest max_tasks that the operator wrote and that can be in force (40 s "
        "for a reload), or lower than every count of the last 18 s; count >= the lowest min_tasks. A count below "
        "min_tasks stays for at most two polls, 9 s for a slow poll and 3 s for the write. Discovered: count <= the "
        "ceiling.",
        elsewhere="tests/core/laws.py",
    ),
    Guarantee(
        "S2",
        "No scale-in on missing or stale readings.",
        "Each scale-in (lower than every count of the last 18 s): the newest answer about each queue has counts and "
        "is at most 39 s old, that of ECS was requested at most 11 s before; a fallback that may lower the count "
        "excepted, down to its count. Each scale-out: an answer of ECS at most 18 s old.",
        elsewhere="tests/core/laws.py, tests/control/test_gaps.py",
    ),
    Guarantee(
        "S3",
        "An absent value is never zero.",
        "As S2 and S4: an answer without one of the counts is an unread queue, and ends a run of zero readings.",
        elsewhere="tests/aws/test_sqs.py, tests/aws/test_poisons.py",
    ),
    Guarantee(
        "S4",
        "Never to zero with work left; never below the protected tasks.",
        "Each write of 0: the newest answers about each queue are at least three zeros without another answer between "
        "them, over more than 60 s. Each scale-in of self-protecting workers: the protection was read at most 20 s "
        "before, and the count is not below it.",
        elsewhere="tests/core/laws.py",
    ),
    Guarantee(
        "S5",
        "A restart brings no early scale-in, and no lost cooldown.",
        "Each scale-in: the daemon that requests it has read ECS and every queue for the longest window. Each "
        "scale-out: not within the cooldown after the first answer of ECS, if that showed tasks that start.",
        elsewhere="python -m tests.faults --crashes (a crash at every await)",
    ),
    Guarantee(
        "S6",
        "One writer per service.",
        "No two UpdateService calls of one service at the same time, nor less than 1 s apart: a poll writes once. "
        "After a request whose result is unknown, ECS is read before the next request.",
        elsewhere="tests/control/test_supervisor.py. Several replicas: not available yet",
    ),
    Guarantee(
        "S7",
        "No call when nothing changes; cooldowns are kept.",
        "No UpdateService to a count that has been the true one for 18 s and that ECS shows, unless an earlier request "
        "has an unknown result. No change in the cooldown of one in the same direction that took effect.",
        elsewhere="tests/core/test_closed_loop.py (flapping)",
    ),
    Guarantee(
        "S8",
        "Never in during a deployment, for a bounded time; a count set by someone else is not fought.",
        "Each scale-in: the newest answer of ECS shows no deployment younger than deployments.at_most. No scale-out "
        "after another writer set 0 below min_tasks, until someone raises it.",
        elsewhere="tests/core/laws.py",
    ),
    Guarantee(
        "S9",
        "Shadow, mode and pause are kept.",
        "No UpdateService in shadow, no scale-in in scale_out_only, nothing that the pause tag in the newest answer of "
        "ECS forbids.",
        elsewhere="tests/control/test_pausing.py",
    ),
    Guarantee(
        "S10",
        "Only desiredCount of a configured service is changed.",
        "At the ports, each UpdateService is of a configured cluster and service, without a role of a tag. In the "
        "protocol, the only call that changes something is UpdateService, with cluster, service and desiredCount.",
        elsewhere="tests/e2e/test_daemon.py",
    ),
    Guarantee(
        "S11",
        "Queues that read zero at once do not stop the fleet.",
        "The tasks that the daemon removed within 300 s, also before a restart, are at most half of the most tasks "
        "that all services had, or that the daemon can know of, in that time and the 40 s before it.",
        elsewhere="tests/control/test_admission.py",
    ),
    Guarantee(
        "S12",
        "A gap in observation restarts the warm-up.",
        "Each scale-in: ECS and every queue were read over the longest window without a gap of more than 3.5 polls "
        "and at least 30 s (and 9 s for a slow poll).",
        elsewhere="tests/control/test_gaps.py (also: 1 % failed reads)",
    ),
    Guarantee(
        "S13",
        "A mode or a bound never changes because a line or a part of the file is missing.",
        "As S1 and S9: the settings are those that the operator wrote, while the file is cut, wrong, or without lines.",
        elsewhere="tests/config/test_lasting.py",
    ),
    Guarantee(
        "S14",
        "An idle queue never asks for more tasks.",
        "No scale-out above min_tasks while every answer of the last 200 s (at least ten) shows empty queues, and "
        "CloudWatch's last three minutes no message.",
        elsewhere="tests/core/test_waking.py",
    ),
    Guarantee(
        "S15",
        "Readings that contradict each other never lead to zero.",
        "Each write of 0: CloudWatch's newest minute (at most an hour old) has no message of a queue that SQS did not "
        "show in that minute.",
        elsewhere="tests/control/test_contradiction.py",
    ),
    Guarantee(
        "S16",
        "No more tasks where more tasks bring nothing.",
        "No scale-out above min_tasks after six minutes of CloudWatch without a deletion, in which more messages were "
        "received than three times the tasks.",
        elsewhere="tests/core/test_progress.py, tests/golden/slow_database.story",
    ),
    Guarantee(
        "L1",
        "From demand seen to the call at most a poll interval and 1 s.",
        "Not simulated: the simulation has no CPU time.",
        simulated=False,
        elsewhere="python -m bench.many",
    ),
    Guarantee(
        "L2",
        "One bad service disturbs no other.",
        "A service without faults of its own is polled at least every interval and 1 s, if nothing else affects the "
        "whole daemon or account.",
        elsewhere="tests/aws/test_batching.py",
    ),
    Guarantee(
        "L3",
        "No service starves, and calls stay within the budget.",
        "Each category stays within a bucket of AWS's published rate and burst, and rests for at least 0.5 s after a "
        "throttle. A daemon that runs polls each service, whether calls succeed or not.",
        elsewhere="tests/control/test_rate_limiter.py, python -m bench.many",
    ),
    Guarantee(
        "L4",
        "After the faults the count of a run without faults is reached.",
        "At the end: no service has fewer tasks than arrivals x processing time while messages wait for twice the "
        "target. A service with more than 1.5 times as many plus 3 has at most 1.5 times plus 3 of those of the "
        "same run without faults (excepted: unsafe workers, which hold their count while messages are in flight, "
        "scale_out_only, and a count that still falls under the fleet cap).",
    ),
    Guarantee(
        "L5",
        "The fallback applies, also from zero.",
        "While no queue can be read and nothing else excuses it, the count is below the fallback for at most four "
        "polls, the cooldown and a write.",
        elsewhere="tests/core/test_rules.py",
    ),
    Guarantee(
        "L6", "SIGTERM ends the daemon within 5 s.", "The end of each run.", elsewhere="tests/control/test_life.py"
    ),
    Guarantee(
        "L7",
        "A hung loop turns /healthz to 503.",
        "Not simulated: it needs a real process.",
        simulated=False,
        elsewhere="tests/telemetry/test_web.py",
    ),
    Guarantee(
        "L8",
        "A bad reload keeps the last good settings, service by service.",
        "As S1 and L9 for the other services, while one service's table is wrong.",
        elsewhere="tests/config/test_reloading.py",
    ),
    Guarantee(
        "L9",
        "Late messages raise the count until they are not late, or the maximum is reached.",
        "While messages are older than 1.5 times the target, all tasks run, readings are good and nothing excuses it, "
        "the count rises at least every 150 s.",
        elsewhere="python -m bench.robustness",
    ),
    Guarantee(
        "L10",
        "A replaced service, new credentials, an AWS that recovers: back without a restart.",
        "As S1, L3, L4 and L9 after such faults; a scale-in only after the warm-up (S5).",
        elsewhere="tests/control/test_replaced.py",
    ),
)
"""Every guarantee of the design's section on guarantees that can be checked by a machine."""


class KnownFailure(NamedTuple):
    """Guarantees that fail today under a kind of fault, and why."""

    kind: str
    guarantees: tuple[str, ...]
    why: str


KNOWN: tuple[KnownFailure, ...] = ()

AFTER_S = 200.0
"""Seconds after a fault in which a failure is attributed to it."""


def known(violation: Violation, run: DrawnRun) -> KnownFailure | None:
    """Return the known failure that explains the violation (None: it is new)."""
    for failure in KNOWN:
        if violation.guarantee not in failure.guarantees:
            continue
        for fault in run.faults:
            own = fault.subject in {violation.service, EVERY}
            if fault.kind == failure.kind and own and fault.at <= violation.at <= fault.end + AFTER_S:
                return failure
    return None
