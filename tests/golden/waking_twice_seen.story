A crowd that is really there wakes a service with a threshold

The second reading in a row wakes it, for all that was asked for.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
activation = { messages = 10, reads = 2 }

[ticks]
time | desired | waiting | happened => demand | target | rules
0:00 | 0       | 0       |          => 0      | 0      |
0:10 |         | 50      |          => 5      | 0      | activation
0:20 |         |         |          => 5      | 5      |
