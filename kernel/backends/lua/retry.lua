#!lua
-- Begin run n+1 of an ended document. A repeated command with the same retry id changes nothing.
-- ARGV: id retry_id head job now limits*6 callback ('' without one: a document may have been restored without its own)
-- Returns {ok | missing | the status} | {system_full | user_full, what, retry_after_s}
local id, now = ARGV[1], tonumber(ARGV[5])
local v = redis.call('HMGET', doc(id), 'status', 'deleted', 'retry_id', 'user', 'head', 'run')
if not v[1] or v[2] == '1' then return {'missing'} end
if v[3] == ARGV[2] then return {'ok'} end
if not TERMINAL[v[1]] then return {v[1]} end
local refused = refusal(v[4], #ARGV[4], {unpack(ARGV, 6)})
if refused then return refused end
-- Rows of the run that has ended, and its webhooks, speak of the template that it was made from.
if v[5] ~= ARGV[3] then redis.call('HSET', doc(id), 'head' .. v[6], v[5]) end
redis.call('HSET', doc(id), 'head', ARGV[3], 'status', 'queued', 'attempt', 0, 'crashes', 0, 'postponed', 0, 'size', #ARGV[4],
  'queued_at', int(now), 'retry_id', ARGV[2], 'delivery_status', 'none', 'delivery_attempts', 0)
redis.call('HDEL', doc(id), 'result', 'error', 'started_at', 'completed_at', 'expires_at', 'render_ms', 'delivery_next')
if (ARGV[12] or '') ~= '' then redis.call('HSET', doc(id), 'callback', ARGV[12]) end
redis.call('HINCRBY', doc(id), 'run', 1)
redis.call('HINCRBY', doc(id), 'token', 1) -- or a renewal on its way would take the lease of the new run
redis.call('SET', P .. 'job:' .. id, ARGV[4])
redis.call('PERSIST', doc(id))
count_open(id, 1)
push(id, false)
emit(id, 'retried', redis_ms())
return {'ok'}
