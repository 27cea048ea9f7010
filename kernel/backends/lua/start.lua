#!lua flags=allow-oom
-- Report that renders begin: only what has started can be said to have crashed.
-- ARGV: (id token)*        Returns one of ok | stale per item
local answer, now = {}, redis_ms()
for i = 1, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local v = redis.call('HMGET', doc(id), 'token', 'status', 'started_token')
  if v[1] ~= token then
    answer[#answer + 1] = 'stale'
  elseif v[2] == 'queued' then
    redis.call('HSET', doc(id), 'status', 'rendering', 'started_at', int(now), 'started_token', token)
    redis.call('HDEL', doc(id), 'error', 'render_ms')
    redis.call('HINCRBY', doc(id), 'attempt', 1)
    emit(id, 'started', now)
    answer[#answer + 1] = 'ok'
  else
    answer[#answer + 1] = (v[2] == 'rendering' and v[3] == token) and 'ok' or 'stale'
  end
end
return answer
