"""AWS's answers, one module per service: each takes an `Ask` and returns a structure or raises `FakeRefusal`."""
