More tasks than ECS starts in a minute

ECS starts 125 tasks a minute for this service, so at most 125 tasks are added within a minute.

[policy]
queues = ["orders"]
max_tasks = 1000
backlog_per_task = 10
launch_per_minute = 125

[polls]
time       | desired | visible | happened => demand | target | rules
0:00       | 10      | 100     |          => 10     | 10     |
0:10..1:00 |         | 5000    |          => 500    | 135    | launch_rate
1:10..2:00 |         |         |          => 500    | 260    | launch_rate
2:10       |         |         |          => 500    | 385    | launch_rate
3:10       |         |         |          => 500    | 500    |
