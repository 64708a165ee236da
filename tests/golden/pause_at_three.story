Paused at 3 until released

The service goes to the count at once, but not below tasks that are at work, and stands there whatever waits. Released,
it answers the load in the same tick. A pause at a count is the operator's own word: it is followed blind and just
after a restart, too.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | waiting | in_flight | happened                         => demand | target | rules
0:00       | 8       | 75      | 5         |                                  => 8      | 8      |
0:10       |         |         |           | pause 3                          => 8      | 5      | pause
0:20..1:00 |         | 200     | 0         |                                  => 20     | 3      | pause
1:10       |         |         |           | release                          => 20     | 20     |
1:20       |         |         |           | restart; missing orders; pause 3 => -      | 3      | pause
