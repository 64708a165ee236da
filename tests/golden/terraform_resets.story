Terraform resets the count to 2 under load

`terraform apply` sets the desired count to the value in its file. The new count is adopted, and the load is answered
in the same poll. The next changes start from this count: the old one is not restored.

[policy]
queues = ["orders"]
max_tasks = 20
backlog_per_task = 10
tolerance = 0

[polls]
time       | desired | running | visible | in_flight | happened    => demand | target | rules
0:00..0:20 | 8       |         | 72      | 8         |             => 8      | 8      |
0:30       |         | 8       | 82      |           | drift to 2  => 9      | 9      |
0:40       |         |         |         |           |             => 9      | 9      |
# An operator raises it. Tasks above the load are removed at the rate of every scale-in.
0:50..1:30 |         | all     |         |           | drift to 15 => 9      | 9      |
