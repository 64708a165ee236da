High CPU utilization and three messages

CPU never requires more tasks than there are messages: the fourth task would have no message to process. A missing CPU
reading removes no task.

[policy]
queues = ["orders"]
cpu_target_percent = 60
max_tasks = 20
backlog_per_task = 10
scale_in.stabilization = "0s"

[polls]
time | desired | visible | in_flight | cpu | happened    => demand | target | rules
0:00 | 3       | 0       | 3         | 95  |             => 3      | 3      |
0:10 |         |         | 1         |     | missing cpu => 1      | 3      | missing_signal
0:20 |         | 7       | 3         |     | found cpu   => 5      | 5      |
