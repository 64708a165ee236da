Tasks that protect themselves

Protection is read only before a scale-in. A protected task is never removed, even with an empty queue and even if it
is the last task.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
workers = "self_protecting"
busy_floor = false
scale_in.stabilization = "0s"

[polls]
time       | desired | visible | protected | happened => demand | target | rules
0:00       | 10      | 100     | 12        |          => 10     | 10     |
0:10       |         | 20      | 6         |          => 2      | 6      | busy
0:20       |         | 0       |           |          => 0      | 6      | zero, busy
0:30..1:20 |         |         | 0         |          => 0      | 1      | zero
1:30       |         |         | 1         |          => 0      | 1      | busy
1:40       |         |         | 0         |          => 0      | 0      |
