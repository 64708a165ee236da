SQS is throttled for five minutes, and the fallback is static with 2 tasks

The fallback applies from the fourth failed reading in a row. It can lower the count, which missing readings alone
never do, but only at the rate of every scale-in: after the window, and one task a minute.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
fallback = { behavior = "static", tasks = 2 }
scale_in.limits = [{ tasks = 1, per = "60s" }]
scale_in.stabilization = "45s"

[polls]
time       | desired | visible | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
0:10..0:30 |         |         | missing orders => -      | 6      |
# A failed reading is recorded as a demand of the current count, last at 0:30.
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
