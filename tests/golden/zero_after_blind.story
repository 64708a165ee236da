One queue was unknown for two minutes, and its first reading is zero

The other queue was empty all the while. The first zero of the queue that was lost is one zero, and one zero is not
zero: what was remembered while it was unknown says nothing of fewer tasks.

[policy]
queues = ["orders", "mails"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | waiting | mails.waiting | happened       => demand | target | rules
0:00       | 6       | 60      | 0             |                => 6      | 6      |
0:10..1:50 |         |         |               | missing orders => 0      | 6      | stabilization
2:00       |         | 0       |               | found orders   => 0      | 6      | zero, warm_up
2:10       |         | 60      |               |                => 6      | 6      |
