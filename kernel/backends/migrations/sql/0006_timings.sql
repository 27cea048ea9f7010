-- How long the steps of an attempt to deliver took: to find the address, to connect, to agree on TLS, to the first byte.

ALTER TABLE webhook_deliveries
  ADD COLUMN IF NOT EXISTS dns_ms Nullable(UInt32) CODEC(T64, ZSTD(1)) AFTER duration_ms,
  ADD COLUMN IF NOT EXISTS connect_ms Nullable(UInt32) CODEC(T64, ZSTD(1)) AFTER dns_ms,
  ADD COLUMN IF NOT EXISTS tls_ms Nullable(UInt32) CODEC(T64, ZSTD(1)) AFTER connect_ms,
  ADD COLUMN IF NOT EXISTS first_byte_ms Nullable(UInt32) CODEC(T64, ZSTD(1)) AFTER tls_ms;
