"""How a document stands, as far as its bytes depend on it: what the pruner asks about each of them."""

from dataclasses import dataclass

from contracts.documents import TERMINAL, DeliveryStatus, Status, bytes_until


@dataclass(frozen=True)
class Standing:
    """A document's newest state. Times in epoch milliseconds; `result_key` is the blob that its last run recorded."""

    status: Status
    deleted: bool
    result_key: str | None
    ended_at: int | None
    expires_at: int | None
    delivery: DeliveryStatus
    changed_at: int

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def settled(self) -> bool:
        """Whether it has ended and owes no webhook: nothing more will happen by itself."""
        return self.ended and self.delivery != "pending"

    @property
    def bytes_until(self) -> int | None:
        """When the result's bytes may go; None: never, or not before its webhook has settled."""
        return bytes_until(self.expires_at, self.delivery, self.changed_at)
