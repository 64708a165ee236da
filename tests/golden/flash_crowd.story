A flash crowd finds nothing running

Five thousand messages arrive while no task runs. The first tick that sees them asks for all that the maximum permits,
asks no second time while the tasks start, and gives them back only once a minute has agreed that they can go.

[policy]
queues = ["orders"]
max_tasks = 50
backlog_per_task = 10

[ticks]
time       | desired | running | waiting | in_flight | happened => demand | target | rules
0:00       | 0       |         | 0       |           |          => 0      | 0      |
0:10       |         |         | 5000    |           |          => 500    | 50     | bounds
0:20..0:40 |         | 0       |         |           |          => 500    | 50     | bounds
0:50..1:50 |         | all     | 4000    | 50        |          => 405    | 50     | bounds
# 200 + 50 messages are 25 tasks, and 405 were asked for less than a minute ago.
2:00..2:30 |         |         | 200     |           |          => 25     | 50     | stabilization
2:40       |         |         |         |           |          => 25     | 50     | busy
2:50       |         |         |         | 20        |          => 22     | 25     | stabilization
