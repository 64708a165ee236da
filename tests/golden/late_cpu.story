A CPU datapoint arrives once a minute and is read six times

90 % on 10 tasks requires 15 tasks, and still 15 when 15 tasks run: the datapoint is applied to the number of tasks at
its time. Applied to the current count, it would require 15, 23, 35, 53, 80 and 120 tasks within a minute.

[policy]
cpu_target_percent = 60
max_tasks = 200

[polls]
time       | desired | cpu     | happened => demand | target | rules
0:00       | 10      | 60      |          => 10     | 10     |
1:00       |         | 90      |          => 15     | 15     |
1:10..2:00 |         |         |          => 15     | 15     |
2:10       |         | 60@2:00 |          => 15     | 15     |
