"""A mixed load on a whole portal while everything around it breaks, and a verdict afterwards.

    python -m tests.chaos.mixed --minutes 20 --seed 7

`topology` is what runs: two machines of the portal, PostgreSQL, Redis and an S3 server of their own.
`people` use it over HTTP, `disturbances` break it, `settling` waits until all is quiet again, `verdict`
compares what was asked for with what is there. `run` puts them together.
"""
