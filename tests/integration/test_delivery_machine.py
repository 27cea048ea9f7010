"""Deliveries in Redis through any order of events, beside a model that is simple enough to be right."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition
from pydantic_core import from_json

from app.repository.deliveries import DeliveryRepository
from app.services.auth import Principal
from app.services.endpoints import EndpointService, Recovered
from backends.deliveries import Circuit, EndedRun, LeasedDelivery
from contracts.deliveries import COMPLETED, FAILED, Delivery
from contracts.documents import DocumentRow
from contracts.endpoints import DISABLED, PING, EndpointRow
from contracts.jobs import GenerationJob
from contracts.targets import AllowList
from contracts.users import KeyRow, UserRow
from generator.delivery.schedule import Schedule
from generator.payloads import end_of_run
from tests.integration.delivery_model import Expected, Outcome, Stage, act, played
from tests.integration.delivery_stage import BOX
from tests.integration.delivery_zoo import USER
from tests.integration.history_servers import Server

SCHEDULE = Schedule.parse("0,5,300")
TRIES = len(SCHEDULE.delays_s)
CALLBACK = "https://callback.example/hook"
#: What comes of the attempts that a generator makes at once; empty if none does.
CAME = st.sampled_from(["", "ok", "failed", "failed", "gone"])
ASKED = ((COMPLETED, DISABLED), (COMPLETED, FAILED, DISABLED), (FAILED,))
CALLER = Principal(UserRow.model_construct(user_id=USER, role="member"), KeyRow.model_construct())


@dataclass
class Document:
    """A document whose newest run is `run`; `of_run`: the deliveries of it, `versions` the template's of each run."""

    job: GenerationJob
    run: int = 1
    type: str = ""
    ended_at: int = 0
    attempts: int = 0
    of_run: list[Expected] = field(default_factory=list)
    versions: dict[int, int] = field(default_factory=dict)


class StreamHistory(DeliveryRepository):
    """What ClickHouse will know of the deliveries to an endpoint, from the events on their way to it."""

    def __init__(self, machine: "DeliveryMachine") -> None:
        self._machine = machine

    async def dead_since(self, endpoint_id: UUID, since: int, limit: int) -> list[Delivery]:
        found = [Delivery.of(lines) for lines in self._machine.lines.values() if lines[0].endpoint_id == endpoint_id]
        dead = [one for one in found if one.status == "dead" and one.created_at >= since and one.type != PING]
        return dead[:limit]

    async def missing_since(
        self, user_id: UUID, endpoint_id: UUID, types: Sequence[str], since: int, limit: int
    ) -> list[EndedRun]:
        entries = await self._machine.redis.xrange(f"{self._machine.pw.scripts.prefix}events")
        rows = [DocumentRow.model_validate_json(fields["d"]) for _, fields in entries if "d" in fields]
        newest = {row.document_id: row for row in rows}.values()
        lines = [line for of_one in self._machine.lines.values() for line in of_one if line.endpoint_id == endpoint_id]
        known = {(line.document_id, line.run) for line in lines}
        ended = [row for row in newest if row.completed_at is not None and row.completed_at >= since]
        runs = [EndedRun(row.document_id, row.run, f"document.{row.status}") for row in ended]
        return [run for run in runs if run.type in types and (run.document_id, run.run) not in known][:limit]


class DeliveryMachine(Stage):
    """A callback, three endpoints, documents that are run again, pings, resends, and endpoints that come and go."""

    circuit = Circuit(requests=1_000_000)

    def __init__(self) -> None:
        super().__init__()
        self.documents: dict[UUID, Document] = {}
        self.queued = 0
        self.rows: list[EndpointRow] = []

    @initialize()
    def begins(self) -> None:
        super().begins()
        history = StreamHistory(self)
        self.service = EndpointService(self.endpoints, self.processes[0], history, BOX, AllowList.parse())
        for number, types in enumerate(ASKED):
            row = EndpointRow(
                endpoint_id=next(self.ids),
                user_id=USER,
                url=f"https://endpoint{number}.example/",
                types=types,
                secret="sealed",
                created_at=1,
                updated_at=1,
                version=1,
            )
            self.rows.append(row)
            self.run(self.endpoints.put(row, "endpoint.created", None))
        self._change(2, "disable")
        self._complete(CALLBACK, fails=True)  # the third endpoint misses it
        self._complete(CALLBACK, fails=False)
        self._change(2, "enable")

    def row_of(self, endpoint_id: UUID | None) -> EndpointRow | None:
        return next((row for row in self.rows if row.endpoint_id == endpoint_id), None)

    def asking_for(self, type_: str) -> list[UUID]:
        return [row.endpoint_id for row in self.rows if row.enabled and type_ in row.types]

    # Documents

    @act(calls_back=st.booleans(), fails=st.booleans(), then=CAME)
    def completes(self, calls_back: bool, fails: bool, then: str) -> None:
        self._complete(CALLBACK if calls_back else "", fails)
        self._attempt(0, then)

    def _complete(self, url: str, fails: bool) -> None:
        job = self.accepts(url)
        self.documents[job.document_id] = Document(job, versions={1: 1})
        self.queued += 1
        self._end(fails)

    @precondition(lambda self: any(document.type for document in self.documents.values()))
    @act(data=st.data())
    def runs_again(self, data: st.DataObject) -> None:
        """Retry a document on a newer version of its template, whatever has become of its deliveries."""
        document = data.draw(st.sampled_from([one for one in self.documents.values() if one.type]))
        self.seen["run again while due"] += any(one.status == "pending" for one in document.of_run)
        self.seen["run again while leased"] += any(one.leased_until > self.now for one in document.of_run)
        document.run += 1
        document.versions[document.run] = document.run
        assert document.job.template
        template = document.job.template.model_copy(update={"version": document.run})
        document.job = document.job.model_copy(update={"template": template})
        self.run(self.pw.queue.retry(document.job, uuid4().hex))
        document.type, document.of_run, document.attempts = "", [], 0
        self.queued += 1

    @precondition(lambda self: self.queued)
    @act(fails=st.booleans())
    def ends_a_run(self, fails: bool) -> None:
        self._end(fails)

    def _end(self, fails: bool) -> None:
        document_id, type_ = self.ends(fails)
        self.queued -= 1
        document = self.documents[document_id]
        receivers = [None] * bool(document.job.callback) + self.asking_for(type_)
        made = [Expected(document_id, document.run, type_, endpoint, TRIES) for endpoint in receivers]
        self.become_due(made, [], self.new_lines())
        row = self.run(self.pw.queue.live(document_id))
        assert row and row.completed_at
        document.type, document.of_run, document.ended_at = type_, made, row.completed_at

    # Attempts

    @act(process=st.integers(0, 1), want=st.integers(1, 6), room=st.integers(1, 3))
    def claims(self, process: int, want: int, room: int) -> None:
        for leased in self.take(process, want, room, {}):
            if leased.run == 0:
                assert from_json(leased.data)["endpoint_id"]
                continue
            document = self.documents[leased.document_id]
            row = DocumentRow.model_validate_json(leased.row) if leased.row else None
            row = row or end_of_run(self.run(self.pw.queue.live_events(leased.document_id)), leased.run)
            assert row and (row.run, f"document.{row.status}") == (leased.run, leased.type)
            assert row.template_version == document.versions[leased.run], "it says what that run came to"
            self.seen["an earlier run's"] += leased.run < document.run

    @act(process=st.integers(0, 1), came=CAME)
    def attempts(self, process: int, came: str) -> None:
        self._attempt(process, came)

    def _attempt(self, process: int, came: str) -> None:
        """A generator takes what is due, calls, and records what came at once."""
        for leased in self.take(process, 20, 4, {}) if came else ():
            self._record(process, leased, came)

    @precondition(lambda self: self.leases)
    @act(data=st.data(), process=st.integers(0, 1), came=st.sampled_from(["ok", "failed", "gone"]))
    def records(self, data: st.DataObject, process: int, came: str) -> None:
        """Also of a lease that has ended, was given back, or was recorded before."""
        self._record(process, data.draw(st.sampled_from(self.leases)), came)

    def _record(self, process: int, leased: LeasedDelivery, came: str) -> None:
        attempt = self.settle(process, leased, self._judged(leased, came))
        if attempt is None:
            return
        document = self.documents.get(leased.document_id)
        if document and document.run == leased.run:
            document.attempts += 1
        kind = {PING: "ping", DISABLED: "message"}.get(leased.type, "webhook")
        self.seen[f"{kind}: {attempt.status}"] += 1
        outcome = self.run(self.processes[process].outcome(leased.member))
        assert (outcome == attempt) if leased.run == 0 else (outcome is None)

    def _judged(self, leased: LeasedDelivery, came: str) -> Outcome:
        """What the generator would say: an endpoint that is disabled gets nothing but pings, and those once."""
        row = self.row_of(leased.endpoint_id)
        if row and (row.deleted or not row.enabled and leased.type != PING):
            self.seen["given up"] += 1
            return Outcome("dead", sign="")
        if came == "ok":
            return Outcome("delivered", sign="ok")
        again = came == "failed" and leased.type != PING
        delay = SCHEDULE.next_delay(leased.attempts + 1, None, lambda: 0.0) if again else None
        return Outcome("dead") if delay is None else Outcome("pending", self.now + round(delay * 1000))

    @precondition(lambda self: self.leases)
    @act(data=st.data(), process=st.integers(0, 1))
    def releases(self, data: st.DataObject, process: int) -> None:
        self.give_back(process, data.draw(st.sampled_from(self.leases)))

    @precondition(lambda self: any(one.run for one in self.known.values()))
    @act(data=st.data())
    def resends(self, data: st.DataObject) -> None:
        expected = data.draw(st.sampled_from([one for one in self.known.values() if one.run]))
        delivery = Delivery.of(self.lines[expected.delivery_id])
        assert delivery.member == expected.member
        answer = self.run(self.processes[0].resend(delivery, "", uuid4().hex))
        sending = expected.status == "pending" and self.now < expected.leased_until
        assert answer == ("sending" if sending else "ok")
        self.seen[f"resend: {answer}"] += 1
        self.become_due([], [] if sending else [expected], self.new_lines())

    # Endpoints

    @act(number=st.integers(0, 2), then=CAME)
    def pings(self, number: int, then: str) -> None:
        row = self.rows[number]
        if row.deleted:
            return
        data = f'{{"endpoint_id":"{row.endpoint_id}"}}'
        due = self.run(self.processes[0].send(row, PING, next(self.ids), data))
        self.become_due([Expected(due.document_id, 0, PING, row.endpoint_id, 1)], [], self.new_lines())
        assert self.run(self.processes[0].outcome(due.member)) is None
        self.seen["ping while disabled"] += not row.enabled
        self._attempt(1, then)

    @act(
        number=st.integers(0, 2),
        change=st.sampled_from(["gone", "gone", "enable", "enable", "disable", "delete"]),
        then=CAME,
    )
    def changes_an_endpoint(self, number: int, change: str, then: str) -> None:
        row = self.rows[number]
        if row.deleted or change == "gone":
            self._is_gone(number)
            self._attempt(0, then)
        else:
            self._change(number, change)

    def _change(self, number: int, change: str) -> None:
        row = self.rows[number]
        update = {"version": row.version + 1, "deleted": int(change == "delete")}
        update |= {"disabled_because": "owner" if change == "disable" else ""}
        self.rows[number] = row.model_copy(update=update)
        self.run(self.endpoints.put(self.rows[number], "endpoint.updated", None))
        assert self.new_lines() == [], "its owner knows"

    def _is_gone(self, number: int) -> None:
        """It answered 410: the others that ask for it hear of it, in one message each under one id."""
        row = self.rows[number]
        assert self.run(self.endpoints.disable(row.endpoint_id, "gone")) == row.enabled
        if row.enabled:
            self.rows[number] = self.run(self.endpoints.get(row.endpoint_id))
            assert self.rows[number].disabled_because == "gone" and self.rows[number].version == row.version + 1
            self.seen["disabled"] += 1
        others = self.asking_for(DISABLED) if row.enabled else []
        lines = self.new_lines()
        assert len({line.document_id for line in lines}) == bool(others)
        made = [Expected(lines[0].document_id, 0, DISABLED, endpoint_id, TRIES) for endpoint_id in others]
        self.become_due(made, [], lines)
        self.seen["told of it"] += len(others)

    @act(number=st.integers(0, 2), data=st.data())
    def recovers(self, number: int, data: st.DataObject) -> None:
        """Send again what failed for good since a moment, and send what was missed."""
        row = self.rows[number]
        moments = [0, *(one.created_at for one in self.known.values())]
        since = moments[data.draw(st.integers(0, len(moments) - 1))]
        if not row.enabled:
            return
        dead = [one for one in self.known.values() if one.endpoint_id == row.endpoint_id and one.status == "dead"]
        dead = [one for one in dead if one.created_at >= since and one.type != PING]
        missing = []
        for document_id, document in self.documents.items():
            made = Expected(document_id, document.run, document.type, row.endpoint_id, TRIES)
            if document.type in row.types and document.ended_at >= since and made.member not in self.known:
                missing.append(made)
                document.of_run.append(made)
        answer = self.run(self.service.recover(CALLER, row.endpoint_id, since))
        assert answer == Recovered(len(dead), len(missing), False)
        self.become_due(missing, dead, self.new_lines())
        self.seen.update({"recovered: dead": len(dead), "recovered: missing": len(missing)})

    @act(seconds=st.sampled_from([1, 5, 31, 61, 300]))
    def time_passes(self, seconds: int) -> None:
        """Also for a process that was lost: its leases end."""
        self.now += seconds * 1000

    @invariant()
    def documents_show_their_newest_runs_deliveries(self) -> None:
        for document_id, document in self.documents.items():
            row = self.run(self.pw.queue.live(document_id))
            assert row and row.run == document.run
            statuses = {one.status for one in document.of_run}
            shown = next((one for one in ("pending", "dead", "delivered") if one in statuses), "none")
            next_at = min((one.next_at for one in document.of_run if one.status == "pending"), default=None)
            delivery = row.delivery
            assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == (shown, document.attempts, next_at)
            self.seen[f"shown: {shown}"] += 1


CAME_ABOUT = (
    *("handed out", "recorded: delivered", "recorded: pending", "recorded: dead", "recorded: stale", "recorded again"),
    *("given up", "given back", "not given back", "resend: ok", "resend: sending"),
    *("run again while due", "run again while leased", "an earlier run's", "webhook: delivered", "webhook: dead"),
    *("ping: delivered", "ping: dead", "ping while disabled", "disabled", "told of it", "message: delivered"),
    *("message: pending", "recovered: dead", "recovered: missing"),
    *("shown: pending", "shown: dead", "shown: delivered", "shown: none"),
)


def test_no_order_of_events_loses_doubles_or_hurries_a_delivery(redis_node: Server) -> None:
    seen = played(DeliveryMachine, redis_node.url, examples=25)
    assert {name for name in {*DeliveryMachine.acts(), *CAME_ABOUT} if not seen[name]} == set()
