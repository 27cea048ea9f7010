#!lua flags=allow-oom
-- End the batch in flight: ClickHouse and the blob store have it, its documents are to be confirmed.
-- ARGV: token        Returns 1 | 0 if it is not in flight
local ship = P .. 'ship'
local v = redis.call('HMGET', ship, 'token', 'last_id')
if v[1] ~= ARGV[1] then return 0 end
redis.call('DEL', ship)
redis.call('HSET', ship, 'stored', v[2])
return 1
