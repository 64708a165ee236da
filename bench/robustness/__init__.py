"""The robustness page: every scenario with three latency targets, next to other autoscalers, and the criteria."""
