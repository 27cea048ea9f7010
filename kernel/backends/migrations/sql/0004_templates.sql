-- Templates that users made: every change, and the newest state of each beside it.
-- `head` is the template as Redis serves it, in JSON. `schemas` are those that were inferred from new versions: they may
-- be large and never change, so only the event of their version has them. `created_at` is when the name was first used.

CREATE TABLE IF NOT EXISTS template_events (
  template_id UUID,
  owner_id UUID,
  name String CODEC(ZSTD(1)),
  head String CODEC(ZSTD(3)),
  schemas Map(String, String) CODEC(ZSTD(3)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  updated_at Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(T64, ZSTD(1)),
  deleted UInt8,
  event LowCardinality(String),
  at Int64 CODEC(Delta, ZSTD(1)),
  actor_id Nullable(UUID)
) ENGINE = MergeTree
ORDER BY (created_at, template_id, version)
SETTINGS index_granularity = 256, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS templates (
  template_id UUID,
  owner_id UUID,
  name String CODEC(ZSTD(1)),
  head String CODEC(ZSTD(3)),
  created_at Int64 CODEC(Delta, ZSTD(1)),
  updated_at Int64 CODEC(Delta, ZSTD(1)),
  version UInt64 CODEC(T64, ZSTD(1)),
  deleted UInt8
) ENGINE = ReplacingMergeTree(version)
ORDER BY (created_at, template_id)
SETTINGS index_granularity = 256, old_parts_lifetime = 480, non_replicated_deduplication_window = 10000,
  fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS templates_from_events TO templates AS
SELECT template_id, owner_id, name, head, created_at, updated_at, version, deleted
FROM template_events;
