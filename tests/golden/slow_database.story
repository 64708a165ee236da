Twice the tasks delete no more messages

The last scale-out did not increase the throughput: the bottleneck is downstream of the workers. No more tasks are
added at any backlog.

[policy]
queues = ["orders"]
max_tasks = 30
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | in_flight | received | deleted | happened => demand | target | rules
0:00       | 4       | 36      | 4         |          |         |          => 4      | 4      |
1:00       |         |         |           | 100      | 100     |          => 4      | 4      |
2:00       |         | 76      |           | 100      | 100     |          => 8      | 8      |
3:00       |         | 72      | 8         | 100      | 100     |          => 8      | 8      |
# The first whole minute with 8 tasks: 102 messages instead of 100.
4:00       |         | 112     |           | 102      | 102     |          => 12     | 12     |
4:10..5:00 |         | 152     |           |          |         |          => 16     | 12     | no_progress
