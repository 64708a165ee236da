"""A stand-in for the daemon: a simple loop that uses the same AWS APIs and the same interface to the demo.

It reads the demo's settings from its environment, answers /readyz, scales, and logs each change as a JSON line.
"""

import json
import math
import os
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

TARGETS = {"sqs": "AmazonSQS", "ecs": "AmazonEC2ContainerServiceV20141113"}
CLUSTER = {"cluster": os.environ["AUTOSCALER_CLUSTER"]}
PER_TASK = 20


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: Any) -> None:
        """Log no requests: the log has only decisions."""


def call(service: str, action: str, /, **parameters: Any) -> dict[str, Any]:
    scope = f"Credential=demo/20000101/us-east-1/{service}/aws4_request"
    headers = {
        "X-Amz-Target": f"{TARGETS[service]}.{action}",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none",
    }
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps(parameters).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def poll(url: str) -> None:
    attributes = call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    work = sum(int(attributes[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible"))
    name = os.environ["AUTOSCALER_SERVICE"]
    current = call("ecs", "DescribeServices", **CLUSTER, services=[name])["services"][0]["desiredCount"]
    target = min(int(os.environ["AUTOSCALER_MAX_TASKS"]), math.ceil(work / PER_TASK))
    if target != current:
        call("ecs", "UpdateService", **CLUSTER, service=name, desiredCount=target)
        line = json.dumps({"event": "scaled", "sentence": f"{name}: {current} -> {target} tasks"})
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main() -> None:
    server = HTTPServer(("127.0.0.1", int(os.environ["AUTOSCALER_HTTP_PORT"])), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = call("sqs", "GetQueueUrl", QueueName=os.environ["AUTOSCALER_QUEUES"])["QueueUrl"]
    while True:
        poll(url)
        time.sleep(0.5)


if __name__ == "__main__":
    main()
