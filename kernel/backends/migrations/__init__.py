"""ClickHouse's schema: plain SQL files in order, the runner that applies them once, and how long rows are kept."""
