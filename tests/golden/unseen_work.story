Messages that are processed in milliseconds

SQS reads empty at every poll, and CloudWatch counts 10 messages a second sent and deleted. The readings contradict
each other, so the tasks that were busy in that minute stay, at least one: 600 messages of 0.2 s are two tasks. When
the minutes of CloudWatch are empty too, the service scales to zero.

[policy]
queues = ["orders"]
max_tasks = 20
processing_time = "200ms"
tolerance = 0

[polls]
time       | desired | visible | in_flight | happened                       => demand | target | rules
0:00       | 6       | 300     | 6         | CloudWatch counts 600 messages => 6      | 6      |
0:10       |         | 0       | 0         |                                => 0      | 6      | stabilization
0:20..0:40 |         |         |           |                                => 0      | 2      | zero, contradiction
0:50..1:10 |         |         |           |                                => 0      | 2      | zero, contradiction
1:20       |         |         |           |                                => 0      | 2      | contradiction
1:30..2:00 |         |         |           |                                => 0      | 2      | contradiction
2:10       |         |         |           | CloudWatch agrees              => 0      | 0      |
