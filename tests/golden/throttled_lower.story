SQS is throttled for five minutes, and the fallback is 2 tasks if that is less

More than 2 come down to 2 once the window has passed since the last tick that held, and fewer than 2 stay as they are.
One good reading begins the count of failed ones anew.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
fallback = { behavior = "current_if_lower", tasks = 2 }

[ticks]
time       | desired | waiting | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
# What could not be read is remembered as the count of its moment, the last time at 0:30.
0:10..0:30 |         |         | missing orders => -      | 6      |
0:40..1:10 |         |         |                => -      | 6      | fallback, stabilization
1:20       |         |         |                => -      | 2      | fallback
1:30       |         |         |                => -      | 2      |
1:40..2:50 |         |         |                => -      | 2      |
3:00..5:00 |         |         | drift to 1     => -      | 1      |
5:10       |         | 60      | found orders   => 6      | 6      |
5:20..5:40 |         |         | missing orders => -      | 6      |
5:50..6:20 |         |         |                => -      | 6      | fallback, stabilization
6:30       |         |         |                => -      | 2      | fallback
6:40       |         |         |                => -      | 2      |
