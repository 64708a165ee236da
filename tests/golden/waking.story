A service that does not wake for everything

It wakes on more than 10 messages seen twice in a row: a phantom seen once wakes nobody. Fewer messages wait, but no
longer than is acceptable: a threshold delays and never strands.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
acceptable_latency = "60s"
activation = { messages = 10, reads = 2 }

[ticks]
time       | desired | waiting | happened => demand | target | rules
0:00       | 0       | 0       |          => 0      | 0      |
0:10       |         | 50      |          => 5      | 0      | activation
0:20       |         | 0       |          => 0      | 0      |
0:30..1:20 |         | 5       |          => 1      | 0      | activation
1:30       |         |         |          => 1      | 1      |
