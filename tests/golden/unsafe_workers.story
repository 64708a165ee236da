Workers that lose what they hold

One message in flight keeps every task, since ECS does not choose the idle ones. Where workers drain, it keeps one.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
workers = "unsafe"
scale_in.stabilization = "0s"

[ticks]
time       | desired | waiting | in_flight | happened                    => demand | target | rules
0:00       | 5       | 50      | 0         |                             => 5      | 5      |
0:10..1:30 |         | 0       | 1         |                             => 1      | 5      | busy
1:40       |         |         |           | reload workers = "draining" => 1      | 1      |
