"""The servers we talk to: Redis (queue, accounts, events), ClickHouse (history), blobs. No business rules live here."""
