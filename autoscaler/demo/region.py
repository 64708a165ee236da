"""An AWS Region on loopback, in a process of its own: moto, made truthful about tasks and safe for many callers.

moto says that every desired task runs at once, and lets calls run into each other, so that a message can be
handed out twice or vanish. Here running and pending are what the fleet reports, and calls take turns.
The Region lives as long as its standard input stays open, so it cannot outlive the demo.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from moto.ecs.models import Service
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sqs.models import Queue
from werkzeug.serving import make_server

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

FLEET_PATH = "/fleet"
"""Where the fleet reports its counts and learns what is desired. Not a path of AWS."""


@dataclass
class Counts:
    """What really runs, what should, and how often that was changed."""

    running: int = 0
    pending: int = 0
    desired: int = 0
    scale_outs: int = 0
    scale_ins: int = 0

    def desire(self, tasks: int) -> None:
        self.scale_outs += tasks > self.desired
        self.scale_ins += tasks < self.desired
        self.desired = tasks


def make_truthful(counts: Counts) -> None:
    """ECS services show these counts, and one deployment, long completed: scaling does not start another.

    moto assigns counts of its own at every change of the desired one; what it assigns is ignored.
    """

    def rolled_out(service: Any) -> list[dict[str, Any]]:
        truth = {"desiredCount": counts.desired, "runningCount": counts.running, "pendingCount": counts.pending}
        return [{**deployment, **truth, "rolloutState": "COMPLETED"} for deployment in vars(service)["deployments"]]

    def keep(service: Any, deployments: list[dict[str, Any]]) -> None:
        vars(service)["deployments"] = deployments

    truths: dict[str, property] = {
        "desired_count": property(lambda _: counts.desired, lambda _, tasks: counts.desire(tasks)),
        "running_count": property(lambda _: counts.running, _ignore),
        "pending_count": property(lambda _: counts.pending, _ignore),
        "deployments": property(rolled_out, keep),
    }
    for name, truth in truths.items():
        setattr(Service, name, truth)


def _ignore(_service: Any, _tasks: int) -> None:
    """What moto assumes about tasks is not so."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Lets one call at a time into moto; a long poll that waits for messages gives its turn away."""

    lock: threading.Lock = field(default_factory=threading.Lock)

    def guard(self, application: Application) -> Application:
        """The application, one call at a time."""

        def guarded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            with self.lock:
                return application(environ, start_response)

        return guarded

    def let_polls_wait(self) -> None:
        """moto's wait for messages happens outside the turn."""
        wait = Queue.wait_for_messages

        def wait_outside(queue: Queue, timeout: int) -> None:
            self.lock.release()
            try:
                wait(queue, timeout)
            finally:
                self.lock.acquire()

        setattr(Queue, "wait_for_messages", wait_outside)  # noqa: B010  # moto has no other seam


def make_quick() -> None:
    """A queue counts its messages with one look at the clock.

    moto counts anew several times for each message sent, and asks the time for each message counted: with 300
    waiting, a batch of ten took 210 ms (and so 4 a second); this way it takes 10 ms.
    """

    def count_in_flight(queue: Any) -> int:
        now_ms = time.time() * 1000
        return sum(message.visible_at >= now_ms for message in vars(queue)["_messages"])

    def count_delayed(queue: Any) -> int:
        now_ms = time.time() * 1000
        return sum(message.delayed_until > now_ms for message in vars(queue)["_messages"])

    def waiting(queue: Any) -> list[Any]:
        now_ms = time.time() * 1000
        held = vars(queue)["_messages"]
        return [message for message in held if message.visible_at < now_ms and message.delayed_until <= now_ms]

    quick = {
        "messages": waiting,
        "approximate_number_of_messages_not_visible": count_in_flight,
        "approximate_number_of_messages_delayed": count_delayed,
    }
    for name, count in quick.items():
        setattr(Queue, name, property(count))


def with_fleet(application: Application, counts: Counts) -> Application:
    """The application, and beside it the path on which the fleet reports."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != FLEET_PATH:
            return application(environ, start_response)
        told = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        counts.running, counts.pending = told["running"], told["pending"]
        body = json.dumps(vars(counts)).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


class PatientHandler(MotoRequestHandler):
    """Keeps connections open between calls: opening one costs as much as a small call."""

    protocol_version = "HTTP/1.1"


def end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """Serve the Region on a free port of loopback, which is printed, until standard input ends."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    counts, turns = Counts(), Turns()
    make_truthful(counts)
    make_quick()
    turns.let_polls_wait()
    application = with_fleet(turns.guard(DomainDispatcherApplication(create_backend_app)), counts)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=PatientHandler)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
