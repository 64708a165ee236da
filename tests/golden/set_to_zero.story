Somebody sets the count to 0 although 2 are the minimum

Who sets a service to none by hand has switched it off: neither the load nor the minimum raises it. It is served again
as soon as somebody raises it.

[policy]
queues = ["orders"]
min_tasks = 2
max_tasks = 20
backlog_per_task = 10

[ticks]
time       | desired | waiting | happened   => demand | target | rules
0:00       | 3       | 30      |            => 3      | 3      |
0:10       |         |         | drift to 0 => 3      | 0      | switched_off
0:20..0:40 |         | 300     |            => 30     | 0      | bounds, switched_off
0:50..1:50 |         | 0       |            => 0      | 0      | bounds, switched_off
2:00       |         | 300     | drift to 1 => 30     | 20     | bounds
2:10       |         |         |            => 30     | 20     | bounds
