#!lua flags=allow-oom
-- End attempts that failed: for good, or (delay_ms given) back to the queue after a while. What was not the document's
-- fault does not count among its attempts: `postponed` (storage was away), or `crashes` (its render process was killed),
-- of which too many set it aside.
-- ARGV: now max_crashes crash_error_json (id token error_json render_ms delay_ms excuse(''|postponed|crashes))*
-- Returns one of ok | stale per item
local answer, at, now = {}, redis_ms(), tonumber(ARGV[1])
for i = 4, #ARGV, 6 do
  local id, token, delay, excuse = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 4]), ARGV[i + 5]
  local v = redis.call('HMGET', doc(id), 'token', 'status', 'ended_token')
  if v[1] == token and v[2] == 'rendering' then
    redis.call('HSET', doc(id), 'error', ARGV[i + 2], 'render_ms', ARGV[i + 3], 'ended_token', 'failed:' .. token)
    local times = excuse ~= '' and redis.call('HINCRBY', doc(id), excuse, 1) or 0
    if excuse == 'crashes' and times >= tonumber(ARGV[2]) then
      redis.call('HSET', doc(id), 'error', ARGV[3])
      finish(id, 'failed', at)
    elseif delay then
      -- The token moves on, or a renewal that is on its way would take the lease of a document that waits.
      redis.call('HINCRBY', doc(id), 'token', 1)
      redis.call('HSET', doc(id), 'status', 'queued')
      unlease(id)
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
