The mode is scale_out_only

More is asked for, and nothing goes.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
mode = "scale_out_only"
scale_in.stabilization = "0s"

[ticks]
time       | desired | waiting | happened => demand | target | rules
0:00       | 4       | 40      |          => 4      | 4      |
0:10..1:30 |         | 10      |          => 1      | 4      | mode
1:40       |         | 60      |          => 6      | 6      |
