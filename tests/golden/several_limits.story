Two limits and their selection

4 tasks a minute or 100 %: the larger change is permitted, unless the operator selects the smaller one, or disables the
direction.

[policy]
queues = ["orders"]
max_tasks = 100
backlog_per_task = 10
scale_out.limits = [{ tasks = 4, per = "60s" }, { percent = 100, per = "60s" }]

[polls]
time       | desired | visible | happened                             => demand | target | rules
0:00       | 10      | 100     |                                      => 10     | 10     |
0:10..1:00 |         | 500     |                                      => 50     | 20     | rate_limit
1:10..2:00 |         |         | reload scale_out.select = "min"      => 50     | 24     | rate_limit
2:10       |         |         | reload scale_out.select = "disabled" => 50     | 24     | rate_limit
