-- Webhook endpoints: every change, and the newest state of each beside it; and to which endpoint a delivery goes.
-- `row` is the endpoint as Redis serves it, in JSON; its secret and headers are sealed.

CREATE TABLE IF NOT EXISTS endpoint_events (
  endpoint_id UUID,
  user_id UUID,
  row String CODEC(ZSTD(3)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  updated_at Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(T64, ZSTD(1)),
  deleted UInt8,
  event LowCardinality(String),
  at Int64 CODEC(Delta, ZSTD(1)),
  actor_id Nullable(UUID)
) ENGINE = MergeTree
ORDER BY (created_at, endpoint_id, version)
SETTINGS index_granularity = 1024, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS endpoints (
  endpoint_id UUID,
  user_id UUID,
  row String CODEC(ZSTD(3)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  updated_at Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(T64, ZSTD(1)),
  deleted UInt8
) ENGINE = ReplacingMergeTree(version)
ORDER BY (created_at, endpoint_id)
SETTINGS index_granularity = 1024, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS endpoints_from_events TO endpoints AS
SELECT endpoint_id, user_id, row, created_at, updated_at, version, deleted
FROM endpoint_events;

ALTER TABLE webhook_deliveries ADD COLUMN IF NOT EXISTS endpoint_id Nullable(UUID) AFTER type;

ALTER TABLE deliveries ADD COLUMN IF NOT EXISTS endpoint_id Nullable(UUID) AFTER user_id;

ALTER TABLE deliveries ADD INDEX IF NOT EXISTS by_endpoint endpoint_id TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE deliveries_from_attempts MODIFY QUERY
SELECT delivery_id, document_id, user_id, endpoint_id, status, at * 1024 + attempt AS version, created_at
FROM webhook_deliveries;
