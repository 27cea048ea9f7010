"""Deliveries as they should stand, simple enough to be right, and the stage on which Redis is held against it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import wraps
from itertools import count
from typing import Any, cast
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

from backends.deliveries import Circuit, Deliveries, LeasedDelivery, Sign
from backends.endpoints import EndpointStore
from backends.queue import Completion, DocumentQueue, Failure
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.deliveries import COMPLETED, FAILED, Delivery, DeliveryAttempt, member_of, webhook_id
from contracts.documents import Result
from contracts.errors import DocumentError
from contracts.ids import now_ms
from contracts.jobs import Callback, GenerationJob, PinnedTemplate
from tests.integration.attempts import attempt_of
from tests.integration.delivery_zoo import USER, Broker

RESULT = Result(key="k", bytes=9, sha256="1" * 64, pages=1, content_type="application/pdf", filename="invoice.pdf")
ERROR = DocumentError(code="template_error", message="No such value.", line=3)


@dataclass
class Expected:
    """One delivery. `token` is of its newest lease, None once it was given back; `recorded` the last that counted.

    `most`: attempts that may be made, for a lack of others to count. Times are epoch milliseconds.
    """

    document_id: UUID
    run: int
    type: str
    endpoint_id: UUID | None
    most: int
    created_at: int = 0
    next_at: int = 0
    status: str = "pending"
    attempts: int = 0
    token: int | None = None
    leased_until: int = 0
    recorded: int | None = None

    @property
    def member(self) -> str:
        return member_of(self.document_id, self.run, self.endpoint_id)

    @property
    def delivery_id(self) -> UUID:
        return webhook_id(self.document_id, self.run, self.type, self.endpoint_id)

    def send_again(self, now: int) -> None:
        """One more attempt, now; one whose lease has ended comes too late from here on."""
        self.status, self.next_at, self.leased_until, self.token = "pending", now, 0, None
        self.most += 1


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to, as a generator judges it."""

    status: str
    next_at: int | None = None
    sign: Sign = "failed"
    calm_ms: int = 0


def ids() -> Iterator[UUID]:
    """Make ids that are the same in every run of the tests, each greater than the one before."""
    return (UUID(f"0190a0a0-0000-7000-8000-{number:012x}") for number in count(0x100))


class Stage(RuleBasedStateMachine):
    """Two processes and a clock that jumps. `seen` counts what came about over all examples, by its name."""

    url = ""
    circuit = Circuit()
    seen: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = now_ms() + 60_000
        self.ids = ids()
        self.known: dict[str, Expected] = {}
        self.leases: list[LeasedDelivery] = []
        self.lines: dict[UUID, list[DeliveryAttempt]] = {}
        self.read_until = "-"

    def run[T](self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    def begins(self) -> None:
        """Connect; machines do this in what they are initialized by."""
        self.redis = connect_redis(self.url)
        scripts = Scripts(self.redis, f"{{machine{uuid4().hex}}}:")
        self.pw = Broker(self.redis, scripts, DocumentQueue(scripts))
        self.endpoints = EndpointStore(scripts)
        self.processes = [Deliveries(scripts, clock=lambda: self.now, circuit=self.circuit) for _ in range(2)]

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self.run(self.redis.aclose())
        self.runner.close()

    @classmethod
    def acts(cls) -> set[str]:
        return {name for name in dir(cls) if hasattr(getattr(cls, name), "is_act")}

    # Runs of documents

    def accepts(self, url: str) -> GenerationJob:
        """Take a document on, with a callback if `url` is not empty."""
        job = GenerationJob(
            document_id=next(self.ids),
            user_id=USER,
            created_at=now_ms(),
            template=PinnedTemplate(name="invoice", version=1, sha256="0" * 64, engine="typst"),
            format="pdf",
            filename="invoice.pdf",
            lane=str(USER),
            callback=Callback(url=url) if url else None,
        )
        self.run(self.pw.queue.enqueue(job))
        return job

    def ends(self, fails: bool = False) -> tuple[UUID, str]:
        """End the run that is queued first; returns its document and the type of its webhooks."""
        queue = self.pw.queue
        (claim,) = self.run(queue.claim("worker", 1, uuid4().hex))
        self.run(queue.start([claim.ref]))
        if fails:
            assert self.run(queue.fail([Failure(*claim.ref, ERROR, 12, None)])) == ["ok"]
        else:
            assert self.run(queue.complete([Completion(*claim.ref, RESULT, 12, None)])) == ["ok"]
        return UUID(str(claim.ref[0])), FAILED if fails else COMPLETED

    # The log

    def new_lines(self) -> list[DeliveryAttempt]:
        """Read what the log has got since it was read last."""
        stream = self.redis.xrange(f"{self.pw.scripts.prefix}events", min=self.read_until)
        entries = cast(list[tuple[str, dict[str, str]]], self.run(cast(Coroutine[Any, Any, object], stream)))
        if entries:
            self.read_until = f"({entries[-1][0]}"
        lines = [DeliveryAttempt.model_validate_json(fields["w"]) for _, fields in entries if "w" in fields]
        for line in lines:
            self.lines.setdefault(line.delivery_id, []).append(line)
        return lines

    def become_due(self, made: list[Expected], again: list[Expected], lines: list[DeliveryAttempt]) -> None:
        """Just these deliveries, and those that are sent again, became due, and the log has one line for each."""
        of = {line.delivery_id: line for line in lines}
        assert len(of) == len(lines) and set(of) == {one.delivery_id for one in [*made, *again]}
        for one in made:
            line = of[one.delivery_id]
            assert (line.attempt, line.status, line.endpoint_id) == (0, "pending", one.endpoint_id)
            assert one.member not in self.known
            one.created_at, one.next_at = line.created_at, line.next_attempt_at or 0
            self.known[one.member] = one
        for one in again:
            assert (of[one.delivery_id].attempt, of[one.delivery_id].status) == (0, "pending")
            one.send_again(self.now)

    # A delivery's way

    def take(self, process: int, want: int, room: int, loads: dict[str, int]) -> list[LeasedDelivery]:
        """Claim: what is handed out is due, and nobody else has it."""
        due = self.run(self.processes[process].claim(want, room=room, loads=loads))
        assert len(due.items) <= want
        for leased in due.items:
            expected = self.known[leased.member]
            assert expected.status == "pending", "what has settled is not handed out"
            assert self.now >= expected.next_at, "never early"
            assert self.now >= expected.leased_until, "nobody else has it"
            assert (leased.delivery_id, leased.attempts) == (expected.delivery_id, expected.attempts)
            assert leased.attempts < expected.most
            expected.token, expected.leased_until = leased.token, self.now + self.processes[process].lease_ms
            self.leases.append(leased)
            self.seen["handed out"] += 1
        return due.items

    def settle(self, process: int, leased: LeasedDelivery, came: Outcome) -> DeliveryAttempt | None:
        """Record an attempt; returns it if it counts. One of an ended lease counts unless there was another since."""
        expected = self.known[leased.member]
        attempt = attempt_of(
            leased,
            came.status,
            next_attempt_at=came.next_at,
            endpoint_id=leased.endpoint_id,
            calm_ms=came.calm_ms,
            at=self.now,
        )
        outcome = self.run(self.processes[process].record(leased, attempt, came.sign))
        if leased.token == expected.recorded:
            assert outcome == "ok" and self.new_lines() == [], "its answer was lost: it counts once"
            self.seen["recorded again"] += 1
            return None
        counts = leased.token == expected.token and expected.status == "pending"
        assert outcome == ("ok" if counts else "stale")
        self.seen[f"recorded: {came.status if counts else outcome}"] += 1
        assert self.new_lines() == ([attempt.model_copy(update={"calm_ms": 0})] if counts else [])
        if not counts:
            return None
        self.seen["recorded after its lease"] += self.now >= expected.leased_until
        expected.recorded, expected.status, expected.leased_until = leased.token, came.status, 0
        expected.attempts, expected.next_at = expected.attempts + 1, came.next_at or 0
        return attempt

    def give_back(self, process: int, leased: LeasedDelivery) -> None:
        """Release a lease: what was recorded or leased again since is not this process's to give."""
        expected = self.known[leased.member]
        ours = expected.status == "pending" and leased.token == expected.token != expected.recorded
        assert self.run(self.processes[process].release([leased])) == int(ours)
        self.seen["given back" if ours else "not given back"] += 1
        if ours:
            expected.token, expected.leased_until = None, 0

    # What holds after every step

    @invariant()
    def none_is_lost_or_doubled(self) -> None:
        if self.known:
            self.run(self._look())
        for delivery_id, lines in self.lines.items():
            told = Delivery.of(lines)
            expected = self.known[told.member]
            assert (told.delivery_id, told.status) == (delivery_id, expected.status), "the log says the same"
            assert [attempt.attempt for attempt in told.attempts] == list(range(1, expected.attempts + 1))
        self.now += 2  # no two steps at the same time: the log sorts by it

    async def _look(self) -> None:
        prefix = self.pw.scripts.prefix
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.zrange(f"{prefix}due", 0, -1)
            pipe.lrange(f"{prefix}deliver_ring", 0, -1)
            pipe.zrange(f"{prefix}shut", 0, -1)
            for member in self.known:
                pipe.hmget(f"{prefix}delivery:{member}", ["status", "attempts"])
            due, ring, shut, *stored = await pipe.execute()
            assert len(ring) == len(set(ring)) and not set(ring) & set(shut)
            for receiver in [*ring, *shut]:
                pipe.lrange(f"{prefix}deliver_lane:{receiver}", 0, -1)
            waiting = [member for lane in await pipe.execute() for member in lane]
        assert len(waiting) == len(set(waiting))
        for (member, expected), state in zip(self.known.items(), stored, strict=True):
            assert state == [expected.status, str(expected.attempts)]
            places = (member in due) + (member in waiting)
            assert places == (expected.status == "pending"), "due at a time, or in its lane, and not both"


def act[M: Stage](**given: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a rule of a method, and count how often it was followed."""

    def made(method: Callable[..., None]) -> Callable[..., None]:
        @wraps(method)
        def counted(machine: M, **drawn: object) -> None:
            machine.seen[method.__name__] += 1
            method(machine, **drawn)

        followed = cast(Callable[..., None], rule(**given)(counted))
        vars(followed)["is_act"] = True
        return followed

    return made


def played(machine: type[Stage], url: str, examples: int, steps: int = 40) -> Counter[str]:
    """Play a machine's rules in many orders, the same in every run; returns how often each thing came about."""
    seen = Counter[str]()
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        phases=[Phase.generate],  # to find a shorter order takes minutes
    )
    run_state_machine_as_test(type("Machine", (machine,), {"url": url, "seen": seen}), settings=bounds)
    return seen
