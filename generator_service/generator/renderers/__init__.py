"""The engines: one module (or package) each, behind the Protocol in `port`. They know no Redis, ClickHouse or HTTP."""
