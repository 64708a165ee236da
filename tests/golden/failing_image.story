An image that cannot be pulled

Tasks are requested, and ECS reports that their image cannot be pulled: more tasks would fail in the same way.

[policy]
queues = ["orders"]
max_tasks = 30
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | running | visible | happened                                                                        => demand | target | rules
0:00       | 2       | 2       | 20      |                                                                                 => 2      | 2      |
0:10       |         |         | 100     |                                                                                 => 10     | 10     |
0:20       |         |         | 150     |                                                                                 => 15     | 15     |
0:30..1:00 |         |         | 200     | trouble: CannotPullContainerError: pull image manifest has been retried 5 times => 20     | 15     | stalled_start
