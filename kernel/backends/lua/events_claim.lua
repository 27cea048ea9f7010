#!lua flags=allow-oom
-- Make a batch of events the one in flight, so that its token and its rows stay together whatever dies meanwhile.
-- Refused when another batch is in flight, or when its first event is not the one after those that are stored already.
-- ARGV: token first_id last_id count        Returns 1 | 0
local ship = P .. 'ship'
local v = redis.call('HMGET', ship, 'token', 'stored')
if v[1] then return 0 end
local next = redis.call('XRANGE', P .. 'events', v[2] and '(' .. v[2] or '-', '+', 'COUNT', 1)[1]
if not next or next[1] ~= ARGV[2] then return 0 end
redis.call('HSET', ship, 'token', ARGV[1], 'first_id', ARGV[2], 'last_id', ARGV[3], 'count', ARGV[4])
return 1
