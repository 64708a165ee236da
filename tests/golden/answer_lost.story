The answer to one write is lost, and another write is refused

It is unknown whether ECS accepted the write with the lost answer. When ECS shows the new count, the change counts from
that poll, with its cooldown. A refused write starts no cooldown and is retried at the next poll.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_out.cooldown = "60s"

[polls]
time       | desired | visible | happened    => demand | target | rules
0:00       | 5       | 50      |             => 5      | 5      |
0:10       |         | 80      | refused     => 8      | 8      |
0:20       |         | 100     | answer lost => 10     | 10     |
0:30..1:20 |         | 200     |             => 20     | 10     | cooldown
1:30       |         |         |             => 20     | 20     |
