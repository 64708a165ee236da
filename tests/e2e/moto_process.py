"""moto on a given port of loopback, one call at a time: by itself it lets calls run into each other, and a message
can then be handed out twice or vanish; and its counting is quadratic in the messages that wait."""

from __future__ import annotations

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from autoscaler.demo.region import PatientHandler, Turns, make_quick

logging.getLogger("werkzeug").setLevel(logging.ERROR)
turns = Turns()
make_quick()
turns.let_polls_wait()
application = turns.guard(DomainDispatcherApplication(create_backend_app))
make_server("127.0.0.1", int(sys.argv[1]), application, threaded=True, request_handler=PatientHandler).serve_forever()
