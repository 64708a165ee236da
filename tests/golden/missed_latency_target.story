The oldest message is older than the latency target

With a processing time of 1 s, two tasks would receive the backlog in time. While the latency target is missed, no task
is removed.

[policy]
queues = ["orders"]
max_tasks = 20
processing_time = "1s"
acceptable_latency = "60s"
tolerance = 0
scale_in.stabilization = "0s"

[polls]
time       | desired | visible | oldest | happened => demand | target | rules
# In the planned half of the latency, 30 s, a task receives 31 messages; 100 messages are 3.2 tasks.
0:00       | 4       | 100     | 20     |          => 4      | 4      |
# Overdue: in a quarter of the latency, 15 s, a task receives 16 messages; 30 messages are 1.9 tasks.
0:10..1:00 |         | 30      | 70     |          => 2      | 4      | late
1:10       |         |         | 30     |          => 1      | 1      |
