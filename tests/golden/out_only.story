The mode is scale_out_only

Tasks are added, and none is removed.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
mode = "scale_out_only"
scale_in.stabilization = "0s"

[polls]
time       | desired | visible | happened => demand | target | rules
0:00       | 4       | 40      |          => 4      | 4      |
0:10..1:30 |         | 10      |          => 1      | 4      | mode
1:40       |         | 60      |          => 6      | 6      |
