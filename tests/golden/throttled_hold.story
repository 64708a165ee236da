SQS is throttled for five minutes, and the fallback is to hold

What cannot be read is neither zero nor much: the count stays. The first good reading is acted upon at once.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | waiting | happened       => demand | target | rules
0:00       | 6       | 60      |                => 6      | 6      |
0:10..5:00 |         |         | missing orders => -      | 6      |
5:10       |         | 200     | found orders   => 20     | 20     |
