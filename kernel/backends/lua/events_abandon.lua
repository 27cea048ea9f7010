#!lua flags=allow-oom
-- Forget the batch in flight: its rows are no longer what its token stood for.
-- ARGV: token        Returns 1 if it was in flight, else 0
local ship = P .. 'ship'
local v = redis.call('HMGET', ship, 'token', 'stored')
if v[1] ~= ARGV[1] then return 0 end
redis.call('DEL', ship)
if v[2] then redis.call('HSET', ship, 'stored', v[2]) end
return 1
