A deployment that does not end

The hold is bounded: after the ten minutes that the operator allows tasks go, although the deployment goes on.
Scale-out was possible all the while.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
deployments.at_most = "10m"

[ticks]
time       | desired | waiting | happened          => demand | target | rules
0:00       | 5       | 50      | deployment begins => 5      | 5      |
0:10       |         | 70      |                   => 7      | 7      |
0:20..0:50 |         | 20      |                   => 2      | 7      | stabilization
1:00       |         |         |                   => 2      | 7      | deployment
1:10..9:50 |         |         |                   => 2      | 7      | deployment
10:00      |         |         |                   => 2      | 2      |
