-- The history of everything: append-only events, and the newest row of each document, user and key beside them.
--
-- Times are Int64 milliseconds since the epoch, as the event lines carry them: a bare JSON number is read into
-- DateTime64(3) as seconds by some versions and as ticks by others. Each has a DateTime64 alias for people.
-- Every table that a batch reaches, directly or through a view, remembers 10,000 insert tokens: a repeated batch is
-- stored once. fsync: the stream forgets a batch once it is confirmed, so confirmed must mean on disk.
-- old_parts_lifetime: merged parts are not fsynced, their sources stay for eight minutes.

CREATE TABLE IF NOT EXISTS document_events (
  document_id UUID,
  user_id UUID,
  batch_id Nullable(UUID),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  output_format LowCardinality(String),
  template_name LowCardinality(Nullable(String)),
  template_version Nullable(UInt32),
  template_sha256 String CODEC(ZSTD(1)),
  priority LowCardinality(String),
  lane String CODEC(ZSTD(1)),
  subject Nullable(String) CODEC(ZSTD(1)),
  metadata Map(String, String) CODEC(ZSTD(1)),
  run_at Nullable(Int64) CODEC(ZSTD(1)),
  seq UInt32,
  event LowCardinality(String),
  at Int64 CODEC(Delta, ZSTD(1)),
  status LowCardinality(String),
  run UInt32 CODEC(T64, ZSTD(1)),
  attempt UInt32 CODEC(T64, ZSTD(1)),
  worker LowCardinality(String),
  queued_at Int64 CODEC(Delta, ZSTD(1)),
  started_at Nullable(Int64) CODEC(ZSTD(1)),
  completed_at Nullable(Int64) CODEC(ZSTD(1)),
  expires_at Nullable(Int64) CODEC(ZSTD(1)),
  render_ms Nullable(UInt32) CODEC(ZSTD(1)),
  result String CODEC(ZSTD(1)),
  error String CODEC(ZSTD(1)),
  delivery String CODEC(ZSTD(1)),
  detail String CODEC(ZSTD(1)),
  deleted UInt8,
  created_time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(created_at, 'UTC'),
  time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(at, 'UTC')
) ENGINE = MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(created_at, 'UTC'))
ORDER BY (created_at, document_id, seq)
TTL toDateTime(intDiv(created_at, 1000), 'UTC') + INTERVAL 13 MONTH
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, old_parts_lifetime = 480,
  non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS documents (
  document_id UUID,
  user_id UUID,
  batch_id Nullable(UUID),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  output_format LowCardinality(String),
  template_name LowCardinality(Nullable(String)),
  template_version Nullable(UInt32),
  template_sha256 String CODEC(ZSTD(1)),
  priority LowCardinality(String),
  lane String CODEC(ZSTD(1)),
  subject Nullable(String) CODEC(ZSTD(1)),
  metadata Map(String, String) CODEC(ZSTD(1)),
  run_at Nullable(Int64) CODEC(ZSTD(1)),
  seq UInt32,
  event LowCardinality(String),
  at Int64 CODEC(Delta, ZSTD(1)),
  status LowCardinality(String),
  run UInt32 CODEC(T64, ZSTD(1)),
  attempt UInt32 CODEC(T64, ZSTD(1)),
  worker LowCardinality(String),
  queued_at Int64 CODEC(Delta, ZSTD(1)),
  started_at Nullable(Int64) CODEC(ZSTD(1)),
  completed_at Nullable(Int64) CODEC(ZSTD(1)),
  expires_at Nullable(Int64) CODEC(ZSTD(1)),
  render_ms Nullable(UInt32) CODEC(ZSTD(1)),
  result String CODEC(ZSTD(1)),
  error String CODEC(ZSTD(1)),
  delivery String CODEC(ZSTD(1)),
  detail String CODEC(ZSTD(1)),
  deleted UInt8,
  bytes UInt64 CODEC(T64, ZSTD(1)),
  pages UInt32 CODEC(T64, ZSTD(1)),
  error_code LowCardinality(String),
  created_time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(created_at, 'UTC'),
  time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(at, 'UTC'),
  INDEX by_document document_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_user user_id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_batch batch_id TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_template template_name TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_lane lane TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_subject subject TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX by_metadata mapValues(metadata) TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = ReplacingMergeTree(seq)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(created_at, 'UTC'))
ORDER BY (created_at, document_id)
TTL toDateTime(intDiv(created_at, 1000), 'UTC') + INTERVAL 13 MONTH
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, old_parts_lifetime = 480,
  non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS documents_from_events TO documents AS
SELECT
  document_id, user_id, batch_id, created_at, output_format, template_name, template_version, template_sha256, priority,
  lane, subject, metadata, run_at, seq, event, at, status, run, attempt, worker, queued_at, started_at, completed_at,
  expires_at, render_ms, result, error, delivery, detail, deleted,
  JSONExtractUInt(result, 'bytes') AS bytes,
  toUInt32(JSONExtractUInt(result, 'pages')) AS pages,
  JSONExtractString(error, 'code') AS error_code
FROM document_events;

CREATE TABLE IF NOT EXISTS user_events (
  user_id UUID,
  email String CODEC(ZSTD(1)),
  email_norm String CODEC(ZSTD(1)),
  name String CODEC(ZSTD(1)),
  role LowCardinality(String),
  status LowCardinality(String),
  attrs String CODEC(ZSTD(1)),
  webhook_secret String,
  created_at Int64 CODEC(Delta, ZSTD(1)),
  updated_at Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(T64, ZSTD(1)),
  deleted UInt8,
  event LowCardinality(String),
  at Int64 CODEC(Delta, ZSTD(1)),
  actor_id Nullable(UUID)
) ENGINE = MergeTree
ORDER BY (created_at, user_id, version)
SETTINGS old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS users (
  user_id UUID,
  email String CODEC(ZSTD(1)),
  email_norm String CODEC(ZSTD(1)),
  name String CODEC(ZSTD(1)),
  role LowCardinality(String),
  status LowCardinality(String),
  attrs String CODEC(ZSTD(1)),
  webhook_secret String,
  created_at Int64 CODEC(Delta, ZSTD(1)),
  updated_at Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(T64, ZSTD(1)),
  deleted UInt8,
  created_time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(created_at, 'UTC'),
  INDEX by_user user_id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX by_email email_norm TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(version)
ORDER BY (created_at, user_id)
SETTINGS index_granularity = 1024, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS users_from_events TO users AS
SELECT
  user_id, email, email_norm, name, role, status, attrs, webhook_secret, created_at, updated_at, version, deleted
FROM user_events;

CREATE TABLE IF NOT EXISTS key_events (
  key_id UUID,
  user_id UUID,
  name String CODEC(ZSTD(1)),
  prefix String,
  digest String,
  scopes Array(LowCardinality(String)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  expires_at Nullable(Int64),
  revoked_at Nullable(Int64),
  version UInt64 CODEC(T64, ZSTD(1)),
  event LowCardinality(String),
  at Int64 CODEC(Delta, ZSTD(1)),
  actor_id Nullable(UUID)
) ENGINE = MergeTree
ORDER BY (created_at, key_id, version)
SETTINGS old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS api_keys (
  key_id UUID,
  user_id UUID,
  name String CODEC(ZSTD(1)),
  prefix String,
  digest String,
  scopes Array(LowCardinality(String)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  expires_at Nullable(Int64),
  revoked_at Nullable(Int64),
  version UInt64 CODEC(T64, ZSTD(1)),
  INDEX by_user user_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(version)
ORDER BY (created_at, key_id)
SETTINGS index_granularity = 1024, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS api_keys_from_events TO api_keys AS
SELECT key_id, user_id, name, prefix, digest, scopes, created_at, expires_at, revoked_at, version
FROM key_events;

CREATE TABLE IF NOT EXISTS webhook_deliveries (
  delivery_id UUID,
  attempt UInt32 CODEC(T64, ZSTD(1)),
  document_id UUID,
  user_id UUID,
  run UInt32 CODEC(T64, ZSTD(1)),
  type LowCardinality(String),
  url String CODEC(ZSTD(3)),
  status LowCardinality(String),
  http_status Nullable(UInt16),
  duration_ms UInt32 CODEC(T64, ZSTD(1)),
  error LowCardinality(String),
  error_detail String CODEC(ZSTD(3)),
  response_excerpt String CODEC(ZSTD(3)),
  next_attempt_at Nullable(Int64),
  at Int64 CODEC(Delta, ZSTD(1)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(at, 'UTC'),
  INDEX by_document document_id TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = ReplacingMergeTree(at)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(created_at, 'UTC'))
ORDER BY (created_at, delivery_id, attempt)
TTL toDateTime(intDiv(created_at, 1000), 'UTC') + INTERVAL 90 DAY
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, old_parts_lifetime = 480,
  non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS events_quarantine (
  at Int64 CODEC(Delta, ZSTD(1)),
  entry_id String,
  kind LowCardinality(String),
  reason String CODEC(ZSTD(3)),
  line String CODEC(ZSTD(3)),
  time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(at, 'UTC')
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(at, 'UTC'))
ORDER BY (at, entry_id)
TTL toDateTime(intDiv(at, 1000), 'UTC') + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;
