A FIFO queue with three message groups

Each group is processed one message at a time, so three groups occupy three tasks. When visible messages and idle tasks
exist together for three minutes, the count is capped; this removes no task. More groups raise the cap.

[policy]
queues = ["orders.fifo"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | in_flight | groups | happened => demand | target | rules
0:00       | 2       | 18      | 2         | 2      |          => 2      | 2      |
0:10       |         | 98      |           |        |          => 10     | 10     |
0:20..3:10 |         | 117     | 3         | 3      |          => 12     | 12     |
3:20       |         | 197     |           |        |          => 20     | 12     | fifo
# 15 groups: 16 tasks; one more task than groups detects further groups.
3:30       |         |         | 12        | 15     |          => 21     | 16     | fifo
3:40       |         |         | 16        | 16     |          => 22     | 20     | bounds
