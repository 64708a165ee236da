Workers that lose messages in flight when they stop

One message in flight holds every task, because ECS does not choose idle tasks. If workers drain, it holds one task.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
workers = "unsafe"
scale_in.stabilization = "0s"

[polls]
time       | desired | visible | in_flight | happened                    => demand | target | rules
0:00       | 5       | 50      | 0         |                             => 5      | 5      |
0:10..1:30 |         | 0       | 1         |                             => 1      | 5      | busy
1:40       |         |         |           | reload workers = "draining" => 1      | 1      |
