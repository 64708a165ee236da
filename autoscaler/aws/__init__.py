"""The AWS layer, behind the ports: the only layer that imports an SDK. `connection.connect` opens it."""
