Terraform resets the count to 2 under load

Somebody's apply sets the desired count to what stands in their file. The new count is taken for what it is, and the
load is answered in the same tick. Whatever comes next starts from there: nothing is fought over.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[ticks]
time       | desired | running | waiting | in_flight | happened    => demand | target | rules
0:00..0:20 | 8       |         | 72      | 8         |             => 8      | 8      |
0:30       |         | 8       | 82      |           | drift to 2  => 9      | 9      |
0:40       |         |         |         |           |             => 9      | 9      |
# Somebody raises it, too. What is more than the load goes at the pace of any scale-in.
0:50..1:30 |         | all     |         |           | drift to 15 => 9      | 9      |
