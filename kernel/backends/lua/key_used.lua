#!lua flags=allow-oom
-- Note when a key was last used, if it is still there: also on a full Redis, or its owner could not even read.
-- ARGV: digest at_ms
if redis.call('EXISTS', P .. 'key:' .. ARGV[1]) == 1 then redis.call('HSET', P .. 'key:' .. ARGV[1], 'used_at', ARGV[2]) end
