"""What the worker counts. Labels are bounded: formats, engines, outcomes."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from contracts.jobs import GenerationJob


class WorkerMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._finished = Counter(
            "presswork_jobs_finished_total", "Attempts ended", ["outcome", "format", "engine"], registry=registry
        )
        self._seconds = Histogram(
            "presswork_render_duration_seconds",
            "Time in the render process",
            ["format", "engine"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
            registry=registry,
        )

    def finished(self, outcome: str, job: GenerationJob, ms: int) -> None:
        self._finished.labels(outcome, job.format, job.engine).inc()
        if outcome == "completed":
            self._seconds.labels(job.format, job.engine).observe(ms / 1000)
