"""A scripted AWS on loopback: the operations of ECS, SQS, CloudWatch, STS and IAM that the product calls.

It imports nothing from the product, so it works with any commit. Its answers depend only on the seconds since
`restart`: the same script gives the same readings in every recording.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"
JSON = "application/x-amz-json-1.1"

Answer = tuple[int, str, str]
"""HTTP status, content type and body."""


class ScriptedAws:
    """AWS with the services and queues of one script. Use it as a context manager; `url` is its endpoint.

    `counts` returns (visible, in flight) for a queue and the seconds since `restart`; None: the queue does not
    exist. `refusing` makes AWS deny every call. `failing` contains operations that answer with a server error.
    """

    def __init__(self, counts: Callable[[str, float], tuple[int, int] | None], tasks: dict[str, int]) -> None:
        self.counts = counts
        self.refusing = False
        self.failing: dict[str, tuple[float, float]] = {}
        self._initial = dict(tasks)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.restart()

    def __enter__(self) -> ScriptedAws:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def restart(self) -> None:
        """Restart the script: the initial task counts, no tags, second 0."""
        self.tasks = dict(self._initial)
        self.tags: dict[str, dict[str, str]] = {}
        self.started = time.time()

    def answer(self, target: str, content: bytes) -> Answer:
        """Return the answer to one request: JSON protocols by their target header, the query protocol by its form."""
        operation = target.partition(".")[2]
        if not operation:
            return self._query(content.decode("utf-8", "replace"))
        if self.refusing:
            return 400, JSON, json.dumps({"__type": "AccessDeniedException", "message": f"not authorized: {operation}"})
        begin, end = self.failing.get(operation, (0.0, 0.0))
        if begin <= time.time() - self.started < end:
            return 500, JSON, json.dumps({"__type": "ServerException", "message": "internal error"})
        with self._lock:
            method = getattr(self, f"_{operation}", None)
            status, found = (200, {}) if method is None else method(json.loads(content or b"{}"))
        return status, JSON, json.dumps(found)

    def _query(self, form: str) -> Answer:
        if self.refusing:
            error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message></Error>"
            return 403, "text/xml", f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
        if "Action=GetCallerIdentity" in form:
            arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/session"
            who = f"<Arn>{arn}</Arn><UserId>AROA:session</UserId><Account>{ACCOUNT}</Account>"
            result = f"<GetCallerIdentityResult>{who}</GetCallerIdentityResult>"
            return 200, "text/xml", f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>"
        error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no simulation</Message></Error>"
        return 403, "text/xml", f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"

    def _GetQueueUrl(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802 - AWS's own name
        if self.counts(body["QueueName"], 0.0) is None:
            return 400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The queue does not exist."}
        return 200, {"QueueUrl": f"{self.url}/{ACCOUNT}/{body['QueueName']}"}

    def _GetQueueAttributes(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        name = body["QueueUrl"].rpartition("/")[2]
        found = self.counts(name, time.time() - self.started)
        if found is None:
            return 400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The queue does not exist."}
        attributes = {
            "ApproximateNumberOfMessages": str(found[0]),
            "ApproximateNumberOfMessagesNotVisible": str(found[1]),
            "ApproximateNumberOfMessagesDelayed": "0",
            "QueueArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}",
        }
        return 200, {"Attributes": attributes}

    def _DescribeServices(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        names = [name.rpartition("/")[2] for name in body["services"]]
        missing = [{"arn": name, "reason": "MISSING"} for name in names if name not in self.tasks]
        return 200, {"services": [self._service(name) for name in names if name in self.tasks], "failures": missing}

    def _service(self, name: str) -> dict[str, Any]:
        task_definition = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/worker:1"
        counts = {"desiredCount": self.tasks[name], "runningCount": self.tasks[name], "pendingCount": 0}
        deployment = {"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED", "createdAt": 1.7e9}
        return {
            "serviceArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/prod/{name}",
            "clusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/prod",
            "serviceName": name,
            "status": "ACTIVE",
            **counts,
            "createdAt": 1.7e9,
            "schedulingStrategy": "REPLICA",
            "taskDefinition": task_definition,
            "deployments": [{**deployment, **counts, "taskDefinition": task_definition}],
            "events": [],
            "tags": [{"key": key, "value": value} for key, value in self.tags.get(name, {}).items()],
        }

    def _UpdateService(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        name = body["service"].rpartition("/")[2]
        self.tasks[name] = body["desiredCount"]
        return 200, {"service": self._service(name)}

    def _TagResource(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        tags = self.tags.setdefault(body["resourceArn"].rpartition("/")[2], {})
        tags.update({tag["key"]: tag["value"] for tag in body["tags"]})
        return 200, {}

    def _UntagResource(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        for key in body["tagKeys"]:
            self.tags.get(body["resourceArn"].rpartition("/")[2], {}).pop(key, None)
        return 200, {}

    def _DescribeTaskDefinition(self, _: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return 200, {"taskDefinition": {"containerDefinitions": [{"name": "app", "essential": True}]}}

    def _DescribeScalableTargets(self, _: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return 200, {"ScalableTargets": []}

    def _GetMetricData(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:  # noqa: N802
        return 200, {"MetricDataResults": [self._metric(query, body) for query in body["MetricDataQueries"]]}

    def _metric(self, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        value = VALUES.get(metric["MetricName"], 10.0)
        newest = time.time() // 60 * 60 - 60
        times = [at for at in (newest - 60 * back for back in range(5)) if body["StartTime"] <= at < body["EndTime"]]
        return {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": times, "Values": [value] * len(times)}


VALUES = {
    "NumberOfMessagesSent": 120.0,
    "NumberOfMessagesReceived": 120.0,
    "NumberOfMessagesDeleted": 120.0,
    "NumberOfEmptyReceives": 5.0,
    "ApproximateAgeOfOldestMessage": 30.0,
    "CPUUtilization": 55.0,
    "MemoryUtilization": 40.0,
}
"""CloudWatch's value of every minute by metric; any other metric is 10."""


def _handler(scripted: ScriptedAws) -> type[BaseHTTPRequestHandler]:
    class ScriptedHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, kind, answer = scripted.answer(self.headers.get("X-Amz-Target") or "", content)
            body = answer.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return ScriptedHandler
