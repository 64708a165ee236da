A queue without receives

The queue exists and is empty, because it has the right name in the wrong Region. The service processes another queue
and keeps its count until a receive proves that its tasks use this queue.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10

[polls]
time         | desired | visible | in_flight | happened                => demand | target | rules
0:00         | 6       | 0       | 0         | no receives from orders => 0      | 6      | zero, no_receives
0:10..1:00   |         |         |           |                         => 0      | 6      | zero, no_receives
1:10..9:00   |         |         |           |                         => 0      | 6      | no_receives
9:10         |         |         | 1         | a receive               => 1      | 1      |
9:20         |         |         | 0         |                         => 0      | 1      | stabilization
9:30..9:50   |         |         |           |                         => 0      | 1      | zero
10:00..10:20 |         |         |           |                         => 0      | 1      | zero
