One reading of the queue is zero

The counts of SQS are approximate, and a busy queue can read empty once. With a window of one minute no task is
removed. Without a window most tasks are removed, but never the last one: a single zero is not confirmed.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time | desired | visible | happened                             => demand | target | rules
0:00 | 4       | 40      |                                      => 4      | 4      |
0:10 |         | 0       |                                      => 0      | 4      | stabilization
0:20 |         | 40      |                                      => 4      | 4      |
0:30 |         | 0       | reload scale_in.stabilization = "0s" => 0      | 1      | zero
0:40 |         | 40      |                                      => 4      | 4      |
