The process stands still for an hour

What was not watched was not agreed: the first reading after the gap shows an empty queue, and no window knows of it.
The warm-up begins again, and the run of empty readings with it.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time         | desired | waiting | in_flight | happened => demand | target | rules
0:00         | 20      | 200     | 0         |          => 20     | 20     |
0:10         |         | 0       |           |          => 0      | 20     | stabilization
0:20         |         |         |           |          => 0      | 20     | stabilization
60:20..61:00 |         |         |           |          => 0      | 20     | zero, warm_up
61:10..61:20 |         |         |           |          => 0      | 1      | zero
61:30        |         |         |           |          => 0      | 0      |
