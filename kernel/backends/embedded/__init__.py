"""Servers that `presswork up` brings along: Redis (valkey, in a wheel) and ClickHouse (chDB's own HTTP server)."""
