"""What AWS answers, service by service: each takes an `Ask` and gives a structure, or raises `Refusal`."""
