A threshold for activation

The service leaves zero when more than 10 messages are read twice in a row: a phantom reading does not activate it.
Fewer messages wait, but at most for the acceptable latency: a threshold delays a message and never strands it.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
acceptable_latency = "60s"
activation = { messages = 10, reads = 2 }

[polls]
time       | desired | visible | happened => demand | target | rules
0:00       | 0       | 0       |          => 0      | 0      |
0:10       |         | 50      |          => 5      | 0      | activation
0:20       |         | 0       |          => 0      | 0      |
0:30..1:20 |         | 5       |          => 1      | 0      | activation
1:30       |         |         |          => 1      | 1      |
