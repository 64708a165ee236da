SQS is throttled for five minutes, and the fallback is current_if_higher with 10 tasks

Counts below 10 are raised to 10, also from 0; counts above 10 do not change.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
fallback = { behavior = "current_if_higher", tasks = 10 }

[polls]
time       | desired | visible | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
0:10..0:30 |         |         | missing orders => -      | 6      |
0:40       |         |         |                => -      | 10     | fallback
0:50..1:50 |         |         |                => -      | 10     |
2:00..2:50 |         |         | drift to 14    => -      | 14     |
3:00       |         |         | drift to 0     => -      | 10     | fallback
3:10..5:00 |         |         |                => -      | 10     |
5:10       |         | 120     | found orders   => 12     | 12     |
