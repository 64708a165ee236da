The answer to a write is lost, and another write is refused

Nobody knows whether ECS took the first: once ECS shows the count, the change counts from there, with its cooldown. A
write that was refused starts none, and is tried again at the next tick.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_out.cooldown = "60s"

[ticks]
time       | desired | waiting | happened    => demand | target | rules
0:00       | 5       | 50      |             => 5      | 5      |
0:10       |         | 80      | refused     => 8      | 8      |
0:20       |         | 100     | answer lost => 10     | 10     |
0:30..1:20 |         | 200     |             => 20     | 10     | cooldown
1:30       |         |         |             => 20     | 20     |
