Stabilization in both directions, as in the Kubernetes HPA

Scale-out uses the lowest demand of the last 30 s, scale-in the highest of the last minute. A spike in one reading
changes nothing.

[policy]
queues = ["orders"]
max_tasks = 50
backlog_per_task = 10
tolerance = 0
scale_out.stabilization = "30s"
scale_in.stabilization = "60s"

[polls]
time       | desired | visible | happened => demand | target | rules
0:00..0:50 | 5       | 50      |          => 5      | 5      |
1:00..1:10 |         | 100     |          => 10     | 5      | stabilization
1:20       |         |         |          => 10     | 10     |
1:30..2:10 |         | 20      |          => 2      | 10     | stabilization
2:20       |         |         |          => 2      | 2      |
2:30       |         | 300     |          => 30     | 2      | stabilization
2:40       |         | 20      |          => 2      | 2      |
