"""uio2-agent in vla-eval: its suites as benchmarks, its policies behind a model server."""
