Paused at 3 tasks until released

The service is set to this count at once, but not below the number of busy tasks, and stays there at any backlog. After
the release it follows the load in the same poll. A pause at a count is also applied with missing readings and during
warm-up.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | in_flight | happened                         => demand | target | rules
0:00       | 8       | 75      | 5         |                                  => 8      | 8      |
0:10       |         |         |           | pause 3                          => 8      | 5      | pause
0:20..1:00 |         | 200     | 0         |                                  => 20     | 3      | pause
1:10       |         |         |           | release                          => 20     | 20     |
1:20       |         |         |           | restart; missing orders; pause 3 => -      | 3      | pause
