A FIFO queue with three message groups

Each group is worked on one message at a time, so three groups occupy three tasks. Once messages have stood beside idle
tasks for three minutes no more are asked for, but none is taken away for that. More groups lift the cap.

[policy]
queues = ["orders.fifo"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | waiting | in_flight | groups | happened => demand | target | rules
0:00       | 2       | 18      | 2         | 2      |          => 2      | 2      |
0:10       |         | 98      |           |        |          => 10     | 10     |
0:20..3:10 |         | 117     | 3         | 3      |          => 12     | 12     |
3:20       |         | 197     |           |        |          => 20     | 12     | fifo
# Fifteen groups: sixteen tasks, one of them to find out whether there are more.
3:30       |         |         | 12        | 15     |          => 21     | 16     | fifo
3:40       |         |         | 16        | 16     |          => 22     | 20     | bounds
