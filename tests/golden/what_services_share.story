What several services share holds a change back

Admission stands outside of the single service: what it permits is told in these rows. It holds back all of a change or
a part, never causes one, and what was held back is asked for again at the next tick.

[policy]
queues = ["orders"]
max_tasks = 50
backlog_per_task = 10
scale_in.stabilization = "0s"

[ticks]
time | desired | waiting | happened                         => demand | target | rules
0:00 | 10      | 100     |                                  => 10     | 10     |
0:10 |         | 200     | held at 14 by shared_cap         => 20     | 14     | shared_cap
# 5 are left for this service, which has 14: none is taken away.
0:20 |         |         | held at 5 by shared_cap          => 20     | 14     | shared_cap
0:30 |         |         | held at 14 by conflicting_scaler => 20     | 14     | conflicting_scaler
0:40 |         |         |                                  => 20     | 20     |
0:50 |         | 10      | held at 12 by fleet_cap          => 1      | 12     | fleet_cap
1:00 |         |         |                                  => 1      | 1      |
