SQS is throttled for five minutes, and the fallback is current_if_lower with 2 tasks

Counts above 2 are lowered to 2 after the window since the last poll that held the count; counts below 2 do not change.
One good reading resets the count of failed readings.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
fallback = { behavior = "current_if_lower", tasks = 2 }
scale_in.stabilization = "45s"

[polls]
time       | desired | visible | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
# A failed reading is recorded as a demand of the current count, last at 0:30.
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
