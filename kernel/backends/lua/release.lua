#!lua flags=allow-oom
-- Give leased documents back untouched (shutdown): they go to the front of their lanes and no attempt is counted.
-- ARGV: (id token)*        Returns the number given back
local count, now = 0, redis_ms()
for i = 1, #ARGV, 2 do
  local id, token = ARGV[i], ARGV[i + 1]
  local v = redis.call('HMGET', doc(id), 'token', 'status')
  if v[1] == token and unlease(id) then
    redis.call('HINCRBY', doc(id), 'token', 1)
    if v[2] == 'rendering' then
      redis.call('HSET', doc(id), 'status', 'queued')
      redis.call('HINCRBY', doc(id), 'attempt', -1)
      emit(id, 'released', now)
    end
    push(id, true)
    count = count + 1
  end
end
return count
