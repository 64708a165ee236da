Traffic ends, and the service scales to zero

The last task is removed after at least three zero readings over more than one minute; exactly one minute is not
enough. Until then the stabilization window, and then the rule `zero`, hold the count.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
scale_in.stabilization = "45s"

[polls]
time       | desired | visible | in_flight | happened => demand | target | rules
0:00       | 3       | 25      | 3         |          => 3      | 3      |
0:10       |         | 0       | 2         |          => 1      | 3      | stabilization
# From here on the queue reads zero.
0:20..0:40 |         |         | 0         |          => 0      | 3      | stabilization
0:50       |         |         |           |          => 0      | 1      | stabilization
1:00       |         |         |           |          => 0      | 1      | zero
1:10..1:20 |         |         |           |          => 0      | 1      | zero
1:30..2:00 |         |         |           |          => 0      | 0      |
