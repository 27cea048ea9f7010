"""Changes of a user are linearizable, and an e-mail address is one user's."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.evidence import Evidence
from tests.chaos.history import Call
from tests.chaos.registers import Operation, first_unexplained

#: How a register's user begins.
INITIAL = (1, None)


def registers(evidence: Evidence) -> Iterator[str]:
    """Find users whose reads and changes no order explains."""
    operations = defaultdict(list)
    for call in evidence.calls("read_user", "write_user"):
        if (operation := _operation(call)) is not None:
            operations[call.about["user"]].append(operation)
    for user_id, found in operations.items():
        if stuck := first_unexplained(found, INITIAL):
            yield f"no order explains the {len(found)} operations on user {user_id}: at the latest not {stuck}"


def emails(evidence: Evidence) -> Iterator[str]:
    """Find addresses of two users, and sign-ups that were answered 201 and are not there."""
    holders = defaultdict(set)
    for row in evidence.users:
        if not row["deleted"]:
            holders[row["email_norm"]].add(row["user_id"])
    created = defaultdict(set)
    for call in evidence.calls("sign_up"):
        if call.status == 201:
            created[call.about["email"]].add(call.answer["id"])
    for email, ids in holders.items():
        if len(ids) > 1:
            yield f"{email} is the address of {len(ids)} users: {', '.join(sorted(ids))}"
    for email, ids in created.items():
        if ids != holders[email]:
            yield f"{email} was signed up as {sorted(ids)}; its users are {sorted(holders[email])}"


def _operation(call: Call) -> Operation | None:
    """Translate a call; None if it says nothing, because it was not done or not answered."""
    seen = (call.answer["version"], call.answer["attrs"].get("value")) if call.outcome == "ok" else None
    if call.do == "read_user":
        return Operation("read", call.began, call.ended, seen=seen, op=call.op) if seen else None
    expected, value = call.about["expected"], call.about["value"]
    if seen:
        return Operation("write", call.began, call.ended, expected, value, seen, call.op)
    if call.status == 412:
        return Operation("refused", call.began, call.ended, expected, op=call.op)
    if call.outcome == "info":
        return Operation("maybe", call.began, call.ended, expected, value, op=call.op)
    return None
