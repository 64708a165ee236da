A maximum that is too low

The backlog requires more tasks than the maximum permits.

[policy]
queues = ["orders"]
max_tasks = 5
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | happened => demand | target | rules
0:00       | 2       | 20      |          => 2      | 2      |
0:10..1:00 |         | 300     |          => 30     | 5      | bounds
