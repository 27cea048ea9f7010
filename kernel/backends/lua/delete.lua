#!lua flags=allow-oom
-- Delete a document: a run that has not ended is cancelled first; the data goes, the log row stays. Its idempotency key
-- is free again: a repeated request is a new one, instead of an answer that leads to nothing.
-- ARGV: id idem_key ('' without one)        Returns ok | missing
local id = ARGV[1]
local v = redis.call('HMGET', doc(id), 'status', 'deleted')
if not v[1] then return 'missing' end
if v[2] == '1' then return 'ok' end
local idem = P .. 'idem:' .. ARGV[2]
if ARGV[2] ~= '' and redis.call('HGET', idem, 'id') == id then redis.call('DEL', idem) end
if not TERMINAL[v[1]] then
  redis.call('HINCRBY', doc(id), 'token', 1)
  finish(id, 'cancelled', redis_ms())
end
redis.call('DEL', P .. 'job:' .. id)
redis.call('HSET', doc(id), 'deleted', 1)
redis.call('PERSIST', doc(id))
emit(id, 'deleted', redis_ms())
return 'ok'
