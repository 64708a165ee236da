One of two queues cannot be read

The queue that can be read may ask for more tasks. Nothing goes while the other one is unknown, however little is left
in the first.

[policy]
queues = ["orders", "mails"]
max_tasks = 30
backlog_per_task = 10
tolerance = 0
scale_in.stabilization = "0s"

[ticks]
time       | desired | waiting | mails.waiting | happened       => demand | target | rules
0:00       | 6       | 30      | 30            |                => 6      | 6      |
0:10       |         |         | 10            | missing orders => 1      | 6      | missing_signal
0:20       |         |         | 200           |                => 20     | 20     |
0:30..1:30 |         |         | 10            |                => 1      | 20     | missing_signal
1:40       |         |         |               | found orders   => 4      | 4      |
