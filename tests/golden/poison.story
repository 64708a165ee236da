Messages that are received and not deleted

For four minutes messages are received again and again and none is deleted: more tasks would only receive them more
often. No tasks are added until a message is deleted again, and none is removed.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time | desired | visible | in_flight | received | deleted | happened => demand | target | rules
0:00 | 2       | 18      | 2         |          |         |          => 2      | 2      |
1:00 |         | 28      |           | 40       | 0       |          => 3      | 3      |
2:00 |         | 38      |           | 40       | 0       |          => 4      | 4      |
3:00 |         | 48      |           | 40       | 0       |          => 5      | 5      |
4:00 |         | 58      |           | 40       | 0       |          => 6      | 6      |
# Now four minutes are recorded: 160 messages received; 6 tasks can hold 6 messages.
4:10 |         | 68      |           |          |         |          => 7      | 6      | no_progress
5:00 |         | 78      |           | 40       | 0       |          => 8      | 6      | no_progress
6:00 |         |         |           | 40       | 30      |          => 8      | 6      | no_progress
6:10 |         |         |           |          |         |          => 8      | 8      |
