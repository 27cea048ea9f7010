#!lua flags=allow-oom
-- Make results effective: state, event and delivery in one step. A zombie's token is refused.
-- ARGV: (id token result_json render_ms expires_at)*        Returns one of ok | stale per item
local answer, now = {}, redis_ms()
for i = 1, #ARGV, 5 do
  local id, token = ARGV[i], ARGV[i + 1]
  local v = redis.call('HMGET', doc(id), 'token', 'status', 'ended_token')
  if v[1] == token and v[2] == 'rendering' then
    redis.call('HSET', doc(id), 'result', ARGV[i + 2], 'render_ms', ARGV[i + 3], 'ended_token', 'completed:' .. token)
    if ARGV[i + 4] ~= '' then redis.call('HSET', doc(id), 'expires_at', ARGV[i + 4]) end
    finish(id, 'completed', now)
    answer[#answer + 1] = 'ok'
  else
    answer[#answer + 1] = v[3] == 'completed:' .. token and 'ok' or 'stale'
  end
end
return answer
