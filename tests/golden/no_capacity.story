Tasks that never start

ECS says that it cannot place them: no more are asked for than already are. It ends with the first that comes up; and
where ECS says nothing, five minutes without one are enough to know.

[policy]
queues = ["orders"]
max_tasks = 30
backlog_per_task = 10
tolerance = 0

[ticks]
time         | desired | running | waiting | happened                                                   => demand | target | rules
0:00         | 2       | 2       | 20      |                                                            => 2      | 2      |
0:10         |         |         | 100     |                                                            => 10     | 10     |
0:20         |         |         | 150     |                                                            => 15     | 15     |
0:30..5:00   |         |         | 200     | trouble: no container instance met all of its requirements => 20     | 15     | stalled_start
5:10         |         | 3       |         |                                                            => 20     | 20     |
# Nothing comes up again, and ECS does not say why.
5:20         |         |         | 250     |                                                            => 25     | 25     |
5:30..10:00  |         |         |         |                                                            => 25     | 25     |
10:10..11:00 |         |         | 300     |                                                            => 30     | 25     | stalled_start
