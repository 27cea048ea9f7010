"""Deliveries in Redis through any order of events, beside a model that is simple enough to be right."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backends.deliveries import Circuit, Deliveries, LeasedDelivery, Sign
from backends.endpoints import EndpointStore
from backends.queue import DocumentQueue
from backends.redis import connect_redis
from backends.scripts import Scripts
from contracts.deliveries import COMPLETED, Delivery, DeliveryAttempt, webhook_id
from contracts.endpoints import EndpointRow
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, GenerationJob, PinnedTemplate
from generator.delivery.schedule import Schedule
from tests.integration.attempts import attempt_of
from tests.integration.delivery_zoo import USER, Broker
from tests.integration.history_servers import Server

SCHEDULE = Schedule.parse("0,5,300,1800")
CIRCUIT = Circuit(requests=3, per_cent=70, open_ms=30_000, longest_ms=120_000)
CALLBACK = "https://callback.example/hook"


@dataclass
class Expected:
    """What is known of one delivery: `token` of its newest lease, None once it was given back."""

    document_id: UUID
    delivery_id: UUID
    endpoint_id: UUID | None
    not_before: int = 0
    status: str = "pending"
    attempts: int = 0
    resent: int = 0
    token: int | None = None
    leased_until: int = 0
    recorded: set[int] = field(default_factory=set)


class DeliveryMachine(RuleBasedStateMachine):
    """Two processes, three receivers, and a clock that jumps."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.now = now_ms() + 60_000
        self.known: dict[str, Expected] = {}
        self.leases: list[LeasedDelivery] = []
        self.rows: list[EndpointRow] = []

    def run[T](self, what: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(what)

    @initialize()
    def begins(self) -> None:
        self.redis = connect_redis(self.url)
        scripts = Scripts(self.redis, f"{{machine{uuid4().hex}}}:")
        self.pw = Broker(self.redis, scripts, DocumentQueue(scripts))
        self.endpoints = EndpointStore(scripts)
        self.processes = [Deliveries(scripts, clock=lambda: self.now, circuit=CIRCUIT) for _ in range(2)]
        for number in range(2):
            row = EndpointRow(
                endpoint_id=new_id(),
                user_id=USER,
                url=f"https://endpoint{number}.example/",
                types=(COMPLETED,),
                secret="sealed",
                created_at=1,
                updated_at=1,
                version=1,
            )
            self.rows.append(row)
            self.run(self.endpoints.put(row, "endpoint.created", None))

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self.run(self.redis.aclose())
        self.runner.close()

    @rule(calls_back=st.booleans())
    def completes(self, calls_back: bool) -> None:
        job = GenerationJob(
            document_id=new_id(),
            user_id=USER,
            created_at=now_ms(),
            template=PinnedTemplate(name="invoice", version=3, sha256="0" * 64, engine="typst"),
            format="pdf",
            filename="invoice.pdf",
            lane=str(USER),
            callback=Callback(url=CALLBACK) if calls_back else None,
        )
        self.run(self.pw.queue.enqueue(job))
        self.run(self.pw.finish())
        receivers = [None] * calls_back + [row.endpoint_id for row in self.rows if row.enabled]
        for endpoint_id in receivers:
            member = f"{job.document_id}:1" + (f":{endpoint_id}" if endpoint_id else "")
            id_ = webhook_id(job.document_id, 1, COMPLETED, endpoint_id)
            self.known[member] = Expected(job.document_id, id_, endpoint_id)

    @rule(process=st.integers(0, 1), want=st.integers(1, 6), room=st.integers(1, 3))
    def claims(self, process: int, want: int, room: int) -> None:
        due = self.run(self.processes[process].claim(want, room=room, loads={}))
        assert len(due.items) <= want
        for leased in due.items:
            expected = self.known[leased.member]
            assert expected.status == "pending", "what has settled is not handed out"
            assert self.now >= expected.not_before, "never early"
            assert self.now >= expected.leased_until, "nobody else has it"
            assert (leased.delivery_id, leased.attempts) == (expected.delivery_id, expected.attempts)
            assert leased.attempts < len(SCHEDULE.delays_s) + expected.resent
            expected.token, expected.leased_until = leased.token, self.now + self.processes[process].lease_ms
            self.leases.append(leased)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), process=st.integers(0, 1), came=st.sampled_from(["ok", "failed", "gone"]))
    def records(self, data: st.DataObject, process: int, came: str) -> None:
        """Also of a lease that has ended, was given back, or was recorded before."""
        leased = data.draw(st.sampled_from(self.leases))
        expected = self.known[leased.member]
        enabled = expected.endpoint_id is None or any(
            row.endpoint_id == expected.endpoint_id and row.enabled for row in self.rows
        )
        status, next_at, sign = self._judged(leased, came if enabled else "disabled")
        attempt = attempt_of(leased, status, next_attempt_at=next_at, endpoint_id=expected.endpoint_id)
        outcome = self.run(self.processes[process].record(leased, attempt, sign))
        if leased.token in expected.recorded:
            return  # an answer that was lost, and changes nothing: the invariants see to that
        assert outcome == ("ok" if leased.token == expected.token and expected.status == "pending" else "stale")
        if outcome == "ok":
            expected.recorded = {leased.token}
            expected.attempts, expected.status, expected.leased_until = expected.attempts + 1, status, 0
            expected.not_before = next_at or 0

    def _judged(self, leased: LeasedDelivery, came: str) -> tuple[str, int | None, Sign]:
        if came == "ok":
            return "delivered", None, "ok"
        delay = SCHEDULE.next_delay(leased.attempts + 1, None, lambda: 0.0) if came == "failed" else None
        sign: Sign = "" if came == "disabled" else "failed"
        return ("dead", None, sign) if delay is None else ("pending", self.now + round(delay * 1000), sign)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), process=st.integers(0, 1))
    def releases(self, data: st.DataObject, process: int) -> None:
        leased = data.draw(st.sampled_from(self.leases))
        expected = self.known[leased.member]
        ours = expected.status == "pending" and leased.token == expected.token not in expected.recorded
        assert self.run(self.processes[process].release([leased])) == int(ours)
        if ours:
            expected.token, expected.leased_until = None, 0

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def resends(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(sorted(self.known)))
        expected = self.known[member]
        lines = [DeliveryAttempt.model_validate_json(line) for line in self.run(self.pw.delivery_lines())]
        of_it = Delivery.of([line for line in lines if line.delivery_id == expected.delivery_id])
        assert of_it.member == member
        answer = self.run(self.processes[0].resend(of_it, "", uuid4().hex))
        sending = expected.status == "pending" and self.now < expected.leased_until
        assert answer == ("sending" if sending else "ok")
        if not sending:
            expected.status, expected.resent = "pending", expected.resent + 1
            expected.not_before = expected.leased_until = 0
            expected.token = None  # an attempt whose lease has ended comes too late

    @rule(number=st.integers(0, 1), change=st.sampled_from(["disable", "enable", "delete"]))
    def changes_an_endpoint(self, number: int, change: str) -> None:
        row = self.rows[number]
        if row.deleted:
            return
        update = {"version": row.version + 1, "deleted": int(change == "delete")}
        update |= {"disabled_because": "owner" if change == "disable" else ""}
        self.rows[number] = row.model_copy(update=update)
        self.run(self.endpoints.put(self.rows[number], "endpoint.updated", None))

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 300, 1800]))
    def time_passes(self, seconds: int) -> None:
        """Also for a process that was lost: its leases end."""
        self.now += seconds * 1000

    @invariant()
    def none_is_lost_or_doubled(self) -> None:
        if self.known:
            self.run(self._look())

    async def _look(self) -> None:
        prefix = self.pw.scripts.prefix
        due = set(await self.redis.zrange(f"{prefix}due", 0, -1))
        ring = await self.redis.lrange(f"{prefix}deliver_ring", 0, -1)
        shut = await self.redis.zrange(f"{prefix}shut", 0, -1)
        assert len(ring) == len(set(ring)) and not set(ring) & set(shut)
        waiting = [one for to in [*ring, *shut] for one in await self.redis.lrange(f"{prefix}deliver_lane:{to}", 0, -1)]
        assert len(waiting) == len(set(waiting))
        for member, expected in self.known.items():
            stored = await self.redis.hmget(f"{prefix}delivery:{member}", ["status", "attempts"])
            assert stored == [expected.status, str(expected.attempts)]
            if expected.status == "pending":
                assert (member in due) != (member in waiting), "due at a time, or in its lane, and not both"
            else:
                assert member not in due
        await self._look_at_documents()

    async def _look_at_documents(self) -> None:
        states: dict[UUID, set[str]] = {}
        for expected in self.known.values():
            states.setdefault(expected.document_id, set()).add(expected.status)
        for document_id, of_it in states.items():
            row = await self.pw.queue.live(document_id)
            assert row is not None
            assert row.delivery.status == next(one for one in ("pending", "dead", "delivered") if one in of_it)


def test_no_order_of_events_loses_doubles_or_hurries_a_delivery(redis_node: Server) -> None:
    machine = type("Machine", (DeliveryMachine,), {"url": redis_node.url})
    bounds = settings(
        max_examples=25,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(machine, settings=bounds)
