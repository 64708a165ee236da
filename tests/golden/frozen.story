The process is suspended for an hour

Time without polls does not count for a window: the first reading after the gap is an empty queue, and the windows have
no readings. The warm-up starts again, and the sequence of empty readings too.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
scale_in.stabilization = "45s"

[polls]
time         | desired | visible | in_flight | happened => demand | target | rules
0:00         | 20      | 200     | 0         |          => 20     | 20     |
0:10         |         | 0       |           |          => 0      | 20     | stabilization
0:20         |         |         |           |          => 0      | 20     | stabilization
60:20..61:00 |         |         |           |          => 0      | 20     | zero, warm_up
61:10..61:20 |         |         |           |          => 0      | 1      | zero
61:30        |         |         |           |          => 0      | 0      |
