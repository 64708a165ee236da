One queue is missing for two minutes, and its first reading is zero

The other queue is empty during that time. The first zero of the missing queue is a single, unconfirmed zero: the
demands recorded while the queue was missing do not permit a scale-in.

[policy]
queues = ["orders", "mails"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | mails.visible | happened       => demand | target | rules
0:00       | 6       | 60      | 0             |                => 6      | 6      |
0:10..1:50 |         |         |               | missing orders => 0      | 6      | stabilization
2:00       |         | 0       |               | found orders   => 0      | 6      | zero, warm_up
2:10       |         | 60      |               |                => 6      | 6      |
