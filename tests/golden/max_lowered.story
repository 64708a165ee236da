The maximum is lowered under load

An operator lowers the maximum from 20 to 5 while 20 tasks run. Tasks are removed at the rate of every scale-in, 5 a
minute, and no busy task is removed. The load does not raise the count again; counts above the maximum are only written
on the way down.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_in.limits = [{ tasks = 5, per = "60s" }]

[polls]
time       | desired | visible | in_flight | happened             => demand | target | rules
0:00       | 20      | 390     | 10        |                      => 40     | 20     | bounds
0:10..1:00 |         |         |           | reload max_tasks = 5 => 40     | 15     | bounds, rate_limit
1:10..2:00 |         |         |           |                      => 40     | 10     | bounds, rate_limit
2:10..2:20 |         |         |           |                      => 40     | 10     | bounds, busy
2:30       |         | 396     | 4         |                      => 40     | 5      | bounds
2:40..3:40 |         |         |           |                      => 40     | 5      | bounds
