"""Long-running jobs: who may run one (lease), how it runs (engine), what it does (runners)."""
