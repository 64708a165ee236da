A deployment of twenty minutes with the queue empty

While the deployment goes on no task goes, although nothing is left to do. When it ends, all go at once: the zeros were
read all the while. New work would have been answered.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time        | desired | running | waiting | happened          => demand | target | rules
0:00        | 5       |         | 50      |                   => 5      | 5      |
0:10..0:40  |         | 10      | 0       | deployment begins => 0      | 5      | stabilization
0:50        |         |         |         |                   => 0      | 5      | zero, deployment
1:00..1:10  |         |         |         |                   => 0      | 5      | zero, deployment
1:20..20:00 |         |         |         |                   => 0      | 5      | deployment
20:10       |         | 5       |         | deployment ends   => 0      | 0      |
