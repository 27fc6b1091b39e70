"""Run user models in a process of their own, the worker process.

In the platform's process: `worker` asks, within the budgets; `worker_process` starts and kills;
`failures` are the errors raised there. In the worker process: `entry_point` answers request after
request by `execution`, with `declarations`, `predictions`, `past_eras` and `manifest`. `messages`
are what the two exchange, and `memory` measures both. A process that a model starts itself is
called its subprocess.
"""
