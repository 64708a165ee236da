"""The scorecard: all policies on ten real traces, with three latency targets, for idle and random victims."""
