A crash loop of the daemon under load

The daemon restarts every ten seconds without its memory. Tasks that are starting count as just added, so the limit of
doubling once a minute holds: 4 tasks become 8, not 16 and 32. When the daemon keeps running, it continues from 8.

[policy]
queues = ["orders"]
max_tasks = 100
backlog_per_task = 10
scale_out.limits = [{ percent = 100, per = "60s" }]

[polls]
time       | desired | running | visible | happened => demand | target | rules
0:00       | 4       | 4       | 1000    | restart  => 100    | 8      | rate_limit
0:10       |         |         |         | restart  => 100    | 8      | rate_limit
0:20       |         |         |         | restart  => 100    | 8      | rate_limit
0:30       |         |         |         | restart  => 100    | 8      | rate_limit
0:40..1:20 |         | all     |         |          => 100    | 8      | rate_limit
1:30       |         |         |         |          => 100    | 16     | rate_limit
