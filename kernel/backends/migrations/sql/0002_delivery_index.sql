-- One delivery is looked up by its id, which does not tell when it was made: without an index that reads every row.
ALTER TABLE webhook_deliveries ADD INDEX IF NOT EXISTS by_delivery delivery_id TYPE bloom_filter(0.001) GRANULARITY 1;

ALTER TABLE webhook_deliveries ADD INDEX IF NOT EXISTS by_user user_id TYPE bloom_filter(0.01) GRANULARITY 1;
