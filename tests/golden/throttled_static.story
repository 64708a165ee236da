SQS is throttled for five minutes, and the fallback is 2 tasks

The fallback speaks from the fourth reading in a row that failed. It may lower the count, which blindness alone never
does, and even then only at the pace of any scale-in: after the window, and a task a minute.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
fallback = { behavior = "static", tasks = 2 }
scale_in.limits = [{ tasks = 1, per = "60s" }]

[ticks]
time       | desired | waiting | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
0:10..0:30 |         |         | missing orders => -      | 6      |
# What could not be read is remembered as the count of its moment, the last time at 0:30.
0:40..1:10 |         |         |                => -      | 6      | fallback, stabilization
1:20       |         |         |                => -      | 5      | fallback, rate_limit
1:30..2:10 |         |         |                => -      | 5      | fallback, rate_limit
2:20       |         |         |                => -      | 4      | fallback, rate_limit
2:30..3:10 |         |         |                => -      | 4      | fallback, rate_limit
3:20       |         |         |                => -      | 3      | fallback, rate_limit
3:30..4:10 |         |         |                => -      | 3      | fallback, rate_limit
4:20       |         |         |                => -      | 2      | fallback
4:30       |         |         |                => -      | 2      |
4:40..5:00 |         |         |                => -      | 2      |
5:10       |         | 60      | found orders   => 6      | 6      |
