"""One file per contestant: how it is tuned, and how it enqueues, runs and tells that a job is done."""
