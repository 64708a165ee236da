A load within 10 % of the count changes nothing

The edge is included: at 10 tasks a load of 11.0 is within the tolerance and 11.1 is not; at 12 tasks 10.8 is within
and 10.7 is not.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
scale_in.stabilization = "0s"

[polls]
time | desired | visible | happened => demand | target | rules
0:00 | 10      | 100     |          => 10     | 10     |
0:10 |         | 110     |          => 11     | 10     | tolerance
0:20 |         | 111     |          => 12     | 12     |
0:30 |         | 108     |          => 11     | 12     | tolerance
0:40 |         | 107     |          => 11     | 11     |
