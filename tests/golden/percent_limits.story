A limit of 25 % a minute: 10 tasks become 13

A percentage applies to the count at the start of its period; it is rounded up for scale-out and down for scale-in.
Changes in both directions are summed. At zero tasks it permits one task.

[policy]
queues = ["orders"]
max_tasks = 100
backlog_per_task = 10
tolerance = 0
scale_out.limits = [{ percent = 25, per = "60s" }]
scale_in = { stabilization = "0s", limits = [{ percent = 25, per = "60s" }] }

[polls]
time       | desired | visible | happened   => demand | target | rules
0:00       | 10      | 100     |            => 10     | 10     |
0:10..1:00 |         | 500     |            => 50     | 13     | rate_limit
# 13 x 1.25 is 16.25.
1:10       |         |         |            => 50     | 17     | rate_limit
# The period began with 13 tasks; 13 x 0.75 is 9.75.
1:20..2:00 |         | 20      |            => 2      | 9      | rate_limit
3:10..4:00 |         | 500     | drift to 0 => 50     | 1      | rate_limit
4:10       |         |         |            => 50     | 2      | rate_limit
