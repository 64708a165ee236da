A scale-out is not held by the cooldown of a scale-in

A cooldown holds only further changes of its own direction. It ends exactly after its length.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
scale_out.cooldown = "30s"
scale_in = { stabilization = "0s", cooldown = "5m" }

[polls]
time       | desired | visible | happened => demand | target | rules
0:00       | 10      | 100     |          => 10     | 10     |
0:10       |         | 60      |          => 6      | 6      |
0:20       |         | 20      |          => 2      | 6      | cooldown
0:30       |         | 120     |          => 12     | 12     |
0:40..0:50 |         | 200     |          => 20     | 12     | cooldown
1:00       |         |         |          => 20     | 20     |
1:10..5:00 |         | 20      |          => 2      | 20     | cooldown
5:10       |         |         |          => 2      | 2      |
