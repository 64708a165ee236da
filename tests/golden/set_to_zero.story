An operator sets the count to 0 although the minimum is 2

A count that is set to 0 manually switches the service off: neither the load nor the minimum raises it. Scaling resumes
when the count is raised manually.

[policy]
queues = ["orders"]
min_tasks = 2
max_tasks = 20
backlog_per_task = 10

[polls]
time       | desired | visible | happened   => demand | target | rules
0:00       | 3       | 30      |            => 3      | 3      |
0:10       |         |         | drift to 0 => 3      | 0      | switched_off
0:20..0:40 |         | 300     |            => 30     | 0      | bounds, switched_off
0:50..1:50 |         | 0       |            => 0      | 0      | bounds, switched_off
2:00       |         | 300     | drift to 1 => 30     | 20     | bounds
2:10       |         |         |            => 30     | 20     | bounds
