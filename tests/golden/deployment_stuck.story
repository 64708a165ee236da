A deployment that does not end

The hold is limited: after the configured 10 minutes tasks are removed although the deployment is still in progress.
Scale-out is possible during the whole time.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0
deployments.at_most = "10m"

[polls]
time       | desired | visible | happened          => demand | target | rules
0:00       | 5       | 50      | deployment begins => 5      | 5      |
0:10       |         | 70      |                   => 7      | 7      |
0:20       |         | 20      |                   => 2      | 7      | stabilization
0:30..0:50 |         |         |                   => 2      | 7      | deployment
1:00       |         |         |                   => 2      | 7      | deployment
1:10..9:50 |         |         |                   => 2      | 7      | deployment
10:00      |         |         |                   => 2      | 2      |
