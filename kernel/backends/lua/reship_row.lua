#!lua flags=allow-oom
-- Append the row of a user, a key or a delivery to the stream again; `again` as in reship.lua.
-- ARGV: name (of its hash, after the prefix) again kind line        Returns 1 | 0
local key = P .. ARGV[1]
if redis.call('EXISTS', key) == 0 or (redis.call('HGET', key, 'again') or '') ~= ARGV[2] then return 0 end
redis.call('HSET', key, 'again', redis.call('XADD', P .. 'events', '*', ARGV[3], ARGV[4]))
return 1
