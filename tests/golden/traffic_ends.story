Traffic ends, and the fleet goes to none

The last task goes after three readings or more that agree on zero over more than a minute, and not before: a minute
exactly is not enough. Until then the window, and after it the doubt, keep what is there.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | waiting | in_flight | happened => demand | target | rules
0:00       | 3       | 25      | 3         |          => 3      | 3      |
0:10       |         | 0       | 2         |          => 1      | 3      | stabilization
# Zero is read from here on.
0:20..0:40 |         |         | 0         |          => 0      | 3      | stabilization
0:50       |         |         |           |          => 0      | 1      | stabilization
1:00       |         |         |           |          => 0      | 1      | zero
1:10..1:20 |         |         |           |          => 0      | 1      | zero
1:30..2:00 |         |         |           |          => 0      | 0      |
