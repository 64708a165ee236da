A restart causes no early scale-in

After a restart no task is removed until the daemon has polled for its longest window, here two minutes. Scale-out is
immediate, and readings since the restart count as usual.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_in.cooldown = "2m"
scale_in.stabilization = "45s"

[polls]
time       | desired | visible | happened => demand | target | rules
0:00       | 10      | 100     |          => 10     | 10     |
0:10..0:50 |         | 10      | restart  => 1      | 10     | warm_up
1:00       |         | 120     |          => 12     | 12     |
1:10..1:40 |         | 10      |          => 1      | 12     | stabilization
1:50       |         |         |          => 1      | 12     | warm_up
2:00       |         |         |          => 1      | 12     | warm_up
2:10       |         |         |          => 1      | 1      |
