Tasks that never start

ECS reports that it cannot place the tasks: no further tasks are added. The hold ends when the first task starts. If
ECS reports no reason, the hold starts after five minutes without a started task.

[policy]
queues = ["orders"]
max_tasks = 30
backlog_per_task = 10
tolerance = 0

[polls]
time         | desired | running | visible | happened                                                   => demand | target | rules
0:00         | 2       | 2       | 20      |                                                            => 2      | 2      |
0:10         |         |         | 100     |                                                            => 10     | 10     |
0:20         |         |         | 150     |                                                            => 15     | 15     |
0:30..5:00   |         |         | 200     | trouble: no container instance met all of its requirements => 20     | 15     | stalled_start
5:10         |         | 3       |         |                                                            => 20     | 20     |
# Again no task starts, and ECS reports no reason.
5:20         |         |         | 250     |                                                            => 25     | 25     |
5:30..10:00  |         |         |         |                                                            => 25     | 25     |
10:10..11:00 |         |         | 300     |                                                            => 30     | 25     | stalled_start
