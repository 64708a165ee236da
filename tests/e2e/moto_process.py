"""Run moto on a given port of loopback, one call at a time.

moto itself handles calls concurrently, so that it can deliver a message twice or lose it; and the cost of its queue
counts is quadratic in the number of messages.
"""

from __future__ import annotations

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from autoscaler.demo.region import CallQueue, KeepAliveHandler, speed_up_counts

logging.getLogger("werkzeug").setLevel(logging.ERROR)
calls = CallQueue()
speed_up_counts()
calls.release_during_long_polls()
application = calls.guard(DomainDispatcherApplication(create_backend_app))
make_server("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=KeepAliveHandler).serve_forever()
