"""Every question the API asks ClickHouse: lists, old documents, and the rows that Redis is rebuilt from."""
