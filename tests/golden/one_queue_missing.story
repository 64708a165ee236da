One of two queues cannot be read

The readable queue can require more tasks. No task is removed while the other queue is missing, even if the first queue
has few messages.

[policy]
queues = ["orders", "mails"]
max_tasks = 30
backlog_per_task = 10
tolerance = 0
scale_in.stabilization = "0s"

[polls]
time       | desired | visible | mails.visible | happened       => demand | target | rules
0:00       | 6       | 30      | 30            |                => 6      | 6      |
0:10       |         |         | 10            | missing orders => 1      | 6      | missing_signal
0:20       |         |         | 200           |                => 20     | 20     |
0:30..1:30 |         |         | 10            |                => 1      | 20     | missing_signal
1:40       |         |         |               | found orders   => 4      | 4      |
