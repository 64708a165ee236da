A crash loop of the daemon under load

The daemon dies every ten seconds and forgets everything. Tasks that are still starting count as asked for just now, so
the limit of doubling once a minute holds: 4 become 8, and not 16 and 32. When it stays alive, it goes on from there.

[policy]
queues = ["orders"]
max_tasks = 100
backlog_per_task = 10
scale_out.limits = [{ percent = 100, per = "60s" }]

[ticks]
time       | desired | running | waiting | happened => demand | target | rules
0:00       | 4       | 4       | 1000    | restart  => 100    | 8      | rate_limit
0:10       |         |         |         | restart  => 100    | 8      | rate_limit
0:20       |         |         |         | restart  => 100    | 8      | rate_limit
0:30       |         |         |         | restart  => 100    | 8      | rate_limit
0:40..1:20 |         | all     |         |          => 100    | 8      | rate_limit
1:30       |         |         |         |          => 100    | 16     | rate_limit
