"""The scorecard: all policies on ten real traces, with three latency targets, where ECS stops idle or random tasks."""
