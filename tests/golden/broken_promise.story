The oldest message has waited longer than it may

With one second a message two tasks would receive what waits in time, and yet none of four is taken away while the
promise is being broken.

[policy]
queues = ["orders"]
max_tasks = 20
processing_time = "1s"
acceptable_latency = "60s"
tolerance = 0
scale_in.stabilization = "0s"

[ticks]
time       | desired | waiting | oldest | happened => demand | target | rules
# Within the half of the latency that is planned with, 30 s, a task receives 31: 100 messages are 3.2 tasks.
0:00       | 4       | 100     | 20     |          => 4      | 4      |
# Overdue: within a quarter of the latency, 15 s, a task receives 16, and 30 messages are 1.9 tasks.
0:10..1:00 |         | 30      | 70     |          => 2      | 4      | late
1:10       |         |         | 30     |          => 1      | 1      |
