A real backlog activates a service with a threshold

The second reading in a row activates the service, with all required tasks.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
activation = { messages = 10, reads = 2 }

[polls]
time | desired | visible | happened => demand | target | rules
0:00 | 0       | 0       |          => 0      | 0      |
0:10 |         | 50      |          => 5      | 0      | activation
0:20 |         |         |          => 5      | 5      |
