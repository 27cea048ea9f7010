#!lua flags=allow-oom
-- Cancel a run that has not ended. The token moves on, so whoever renders it is refused.
-- ARGV: id cancel_id        Returns ok | missing | the terminal status it is in
local id = ARGV[1]
local v = redis.call('HMGET', doc(id), 'status', 'deleted', 'cancel_id')
if not v[1] or v[2] == '1' then return 'missing' end
if v[3] == ARGV[2] then return 'ok' end
if TERMINAL[v[1]] then return v[1] end
redis.call('HINCRBY', doc(id), 'token', 1)
redis.call('HSET', doc(id), 'cancel_id', ARGV[2])
finish(id, 'cancelled', redis_ms())
return 'ok'
