The bounds of the day end, and the bounds of the night are lower

At night the maximum is 4 tasks, and 12 run: they are removed at 4 a minute, also under load. In the morning the
minimum of 12 is restored at once.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_in.limits = [{ tasks = 4, per = "60s" }]

[polls]
time       | desired | visible | happened               => demand | target | rules
0:00       | 12      | 30      | bounds 12 to 20 by day => 3      | 12     | rate_limit, bounds
0:10..1:00 |         | 90      | bounds 0 to 4 by night => 9      | 8      | bounds, rate_limit
1:10..3:00 |         |         |                        => 9      | 4      | bounds
3:10       |         |         | bounds 12 to 20 by day => 9      | 12     | bounds
