A CPU datapoint that comes once a minute and is read six times

90 % on 10 tasks asks for 15, and still for 15 when 15 run: the datapoint is held against the tasks of its time. Taken
against those of the moment it would ask for 15, 23, 35, 53, 80 and 120 within a minute.

[policy]
cpu_target_percent = 60
max_tasks = 200

[ticks]
time       | desired | cpu     | happened => demand | target | rules
0:00       | 10      | 60      |          => 10     | 10     |
1:00       |         | 90      |          => 15     | 15     |
1:10..2:00 |         |         |          => 15     | 15     |
2:10       |         | 60@2:00 |          => 15     | 15     |
