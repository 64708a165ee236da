Two daemons with different bounds on one service

Another daemon has a maximum of 4 and reverses each change of this one. After the fourth reversal, this one writes
nothing for a minute: the rule `contested`. It then tries again, and the next pause is two minutes. A pause holds the
count below the minimum, too: otherwise the two would never stop. A reload of the settings ends the contest.

[policy]
queues = ["orders"]
mode = "active"
min_tasks = 6
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | visible | happened   => demand | target | rules
0:00       | 8       | 80      |            => 8      | 8      |
0:10       |         |         | drift to 4 => 8      | 8      |
0:20       |         |         | drift to 4 => 8      | 8      |
0:30       |         |         | drift to 4 => 8      | 8      |
0:40       |         |         | drift to 4 => 8      | 8      |
0:50       |         |         | drift to 4 => 8      | 4      | contested
1:00..1:40 |         |         |            => 8      | 4      | contested
1:50..2:00 |         |         |            => 8      | 8      |
2:10       |         |         | drift to 4 => 8      | 4      | contested
2:20..4:00 |         |         |            => 8      | 4      | contested
4:10..4:30 |         |         |            => 8      | 8      |
