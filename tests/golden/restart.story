A restart brings no early scale-in

After a restart nothing goes before the daemon has watched for as long as its longest window, two minutes here. More
tasks are asked for at once, and what it has seen since counts as ever.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_in.cooldown = "2m"

[ticks]
time       | desired | waiting | happened => demand | target | rules
0:00       | 10      | 100     |          => 10     | 10     |
0:10..0:50 |         | 10      | restart  => 1      | 10     | warm_up
1:00       |         | 120     |          => 12     | 12     |
1:10..1:40 |         | 10      |          => 1      | 12     | stabilization
1:50       |         |         |          => 1      | 12     | warm_up
2:00       |         |         |          => 1      | 12     | warm_up
2:10       |         |         |          => 1      | 1      |
