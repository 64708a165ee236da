The queue reads zero once

SQS's counts are approximate, and a busy queue may read empty once. With the window of a minute nothing goes. Without
a window most tasks go, but never the last one: one zero is not zero.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time | desired | waiting | happened                             => demand | target | rules
0:00 | 4       | 40      |                                      => 4      | 4      |
0:10 |         | 0       |                                      => 0      | 4      | stabilization
0:20 |         | 40      |                                      => 4      | 4      |
0:30 |         | 0       | reload scale_in.stabilization = "0s" => 0      | 1      | zero
0:40 |         | 40      |                                      => 4      | 4      |
