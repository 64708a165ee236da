A deployment of 20 minutes with an empty queue

During the deployment no task is removed, although the queue is empty. When it ends, all tasks are removed at once,
because the queue read zero during the whole time. New work would scale out.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time        | desired | running | visible | happened          => demand | target | rules
0:00        | 5       |         | 50      |                   => 5      | 5      |
0:10        |         | 10      | 0       | deployment begins => 0      | 5      | stabilization
0:20..0:40  |         |         |         |                   => 0      | 5      | zero, deployment
0:50        |         |         |         |                   => 0      | 5      | zero, deployment
1:00..1:10  |         |         |         |                   => 0      | 5      | zero, deployment
1:20..20:00 |         |         |         |                   => 0      | 5      | deployment
20:10       |         | 5       |         | deployment ends   => 0      | 0      |
