A flash crowd arrives at zero tasks

5,000 messages arrive while no task runs. The first poll that reads them scales out to the maximum. The count does not
change while the tasks start. Tasks are removed only after all demands of one minute are lower.

[policy]
queues = ["orders"]
max_tasks = 50
backlog_per_task = 10

[polls]
time       | desired | running | visible | in_flight | happened => demand | target | rules
0:00       | 0       |         | 0       |           |          => 0      | 0      |
0:10       |         |         | 5000    |           |          => 500    | 50     | bounds
0:20..0:40 |         | 0       |         |           |          => 500    | 50     | bounds
0:50..1:50 |         | all     | 4000    | 50        |          => 405    | 50     | bounds
# 200 + 50 messages are 25 tasks; 405 tasks were required less than a minute ago.
2:00       |         |         | 200     |           |          => 25     | 50     | stabilization
2:10..2:30 |         |         |         |           |          => 25     | 50     | busy
2:40       |         |         |         |           |          => 25     | 50     | busy
2:50       |         |         |         | 20        |          => 22     | 25     | stabilization
