"""A double of the ECS agent on loopback: the task protection protocol over HTTP. The service can be `blocked`, and each
of the `faults` is the response to one request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

ARN = "arn:aws:ecs:eu-west-1:111122223333:task/shop/1234567890abcdef0"
PATH = "/api/container-1/task-protection/v1/state"

type_of_fault = Callable[[BaseHTTPRequestHandler], None]


def reply(status: int, body: bytes, length: int | None = None) -> type_of_fault:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"nonsense\r\n")


def json_reply(status: int, value: object) -> type_of_fault:
    return reply(status, json.dumps(value).encode())


def failure(reason: str) -> type_of_fault:
    """A refusal by ECS. Its status is 200."""
    return json_reply(200, {"failure": {"Arn": ARN, "Detail": None, "Reason": reason}})


def error(code: str, status: int = 400) -> type_of_fault:
    return json_reply(status, {"requestID": "12345-abc", "error": {"Arn": ARN, "Code": code, "Message": f"{code} met"}})


def silence(until: Event) -> type_of_fault:
    """No response; the connection stays open until the test ends, for at most 30 s."""

    def wait(_: BaseHTTPRequestHandler) -> None:
        until.wait(30)

    return wait


@dataclass
class AgentDouble:
    """`requested`: ProtectionEnabled of each request, in order. `journal`: the events, shared with the SQS double."""

    journal: list[str]
    uri: str = ""
    protected: bool = False
    blocked: bool = False
    requested: list[bool] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    faults: list[type_of_fault] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def answer(self, handler: BaseHTTPRequestHandler) -> type_of_fault:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if handler.path != PATH or not set(body) <= {"ProtectionEnabled", "ExpiresInMinutes"}:
            return error("InvalidParameterException")
        with self.lock:
            enabled = body["ProtectionEnabled"]
            self.requested.append(enabled)
            self.bodies.append(body)
            if self.faults:
                return self.faults.pop(0)
            if self.blocked and enabled:
                return failure("DEPLOYMENT_BLOCKED")
            self.protected = enabled
            self.journal.append("protect" if enabled else "unprotect")
        until = "2026-10-06T02:29:16Z" if enabled else None
        return json_reply(200, {"protection": {"ExpirationDate": until, "ProtectionEnabled": enabled, "TaskArn": ARN}})


@contextmanager
def agent_double(journal: list[str]) -> Iterator[AgentDouble]:
    double = AgentDouble(journal)

    class AgentHandler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            double.answer(self)(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), AgentHandler)
    double.uri = f"http://127.0.0.1:{server.server_port}/api/container-1"
    Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
    try:
        yield double
    finally:
        double.over.set()
        server.shutdown()
        server.server_close()
