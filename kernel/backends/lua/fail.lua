#!lua flags=allow-oom
-- End attempts that failed: for good, or (delay_ms given) back to the queue after a while.
-- ARGV: now (id token error_json render_ms delay_ms)*        Returns one of ok | stale per item
local answer, at, now = {}, redis_ms(), tonumber(ARGV[1])
for i = 2, #ARGV, 5 do
  local id, token, delay = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 4])
  local v = redis.call('HMGET', doc(id), 'token', 'status', 'ended_token')
  if v[1] == token and v[2] == 'rendering' then
    redis.call('HSET', doc(id), 'error', ARGV[i + 2], 'render_ms', ARGV[i + 3], 'ended_token', 'failed:' .. token)
    if delay then
      -- The token moves on, or a renewal that is on its way would take the lease of a document that waits.
      redis.call('HINCRBY', doc(id), 'token', 1)
      redis.call('HSET', doc(id), 'status', 'queued')
      redis.call('ZREM', P .. 'leases', id)
      redis.call('ZADD', P .. 'delayed', int(now + delay), id)
      emit(id, 'attempt_failed', at, '{"retry_in_ms":' .. int(delay) .. '}')
    else
      finish(id, 'failed', at)
    end
    answer[#answer + 1] = 'ok'
  else
    answer[#answer + 1] = v[3] == 'failed:' .. token and 'ok' or 'stale'
  end
end
return answer
