SQS is throttled for five minutes, and the fallback is hold

A missing reading is neither zero nor a high backlog: the count does not change. The first good reading is used at
once.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
0:10..5:00 |         |         | missing orders => -      | 6      |
5:10       |         | 200     | found orders   => 20     | 20     |
