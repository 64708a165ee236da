A limit shared by several services holds a change

Admission across services is outside of this service: the rows contain its results. It holds all or part of a change
and never causes one. The held part is required again at the next poll.

[policy]
queues = ["orders"]
max_tasks = 50
backlog_per_task = 10
scale_in.stabilization = "0s"

[polls]
time | desired | visible | happened                         => demand | target | rules
0:00 | 10      | 100     |                                  => 10     | 10     |
0:10 |         | 200     | held at 14 by shared_cap         => 20     | 14     | shared_cap
# 5 tasks are left for this service, which has 14: no task is removed.
0:20 |         |         | held at 5 by shared_cap          => 20     | 14     | shared_cap
0:30 |         |         | held at 14 by conflicting_scaler => 20     | 14     | conflicting_scaler
0:40 |         |         |                                  => 20     | 20     |
0:50 |         | 10      | held at 12 by fleet_cap          => 1      | 12     | fleet_cap
1:00 |         |         |                                  => 1      | 1      |
# The answer of ECS may be old: 10 was set, 1 is read, and a change to 5 could lower the real count.
1:10 |         | 50      | held at 1 by unconfirmed         => 5      | 1      | unconfirmed
