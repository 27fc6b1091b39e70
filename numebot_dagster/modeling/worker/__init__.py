"""The worker process in which user models run.

`parent` and `worker_process` run in the platform's process, `child` and `execution` in the worker;
`messages` is what they exchange.
"""
