Paused in, out, and completely

A pause of one direction does not affect the other. A complete pause has priority over the bounds: nothing is written,
even below the minimum, until the release.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
scale_in.stabilization = "0s"

[polls]
time | desired | visible | happened             => demand | target | rules
0:00 | 5       | 50      |                      => 5      | 5      |
0:10 |         | 20      | pause in             => 2      | 5      | pause
0:20 |         | 70      |                      => 7      | 7      |
0:30 |         | 90      | pause out            => 9      | 7      | pause
0:40 |         | 60      |                      => 6      | 6      |
0:50 |         | 200     | pause all            => 20     | 6      | pause
1:00 |         | 10      | reload min_tasks = 8 => 1      | 6      | pause
1:10 |         |         | release              => 1      | 8      | bounds
