Work that takes milliseconds

SQS reads empty at every poll, and CloudWatch counts ten messages a second that were sent and deleted. The readings
contradict each other, so the last task stays, and those that the minute kept busy: 600 messages of 0.2 s are two tasks.
Once CloudWatch's minutes are empty as well, the fleet goes to none.

[policy]
queues = ["orders"]
max_tasks = 20
processing_time = "200ms"
tolerance = 0

[ticks]
time       | desired | waiting | in_flight | happened                       => demand | target | rules
0:00       | 6       | 300     | 6         | CloudWatch counts 600 messages => 6      | 6      |
0:10..0:40 |         | 0       | 0         |                                => 0      | 6      | stabilization
0:50..1:10 |         |         |           |                                => 0      | 2      | zero, contradiction
1:20       |         |         |           |                                => 0      | 2      | contradiction
1:30..2:00 |         |         |           |                                => 0      | 2      | contradiction
2:10       |         |         |           | CloudWatch agrees              => 0      | 0      |
