#!lua flags=allow-oom
-- Prolong leases. It succeeds while the token is current, even when the lease has run out and nobody noticed.
-- ARGV: lease_ms (id token)*        Returns 1 | 0 per item
local answer, now = {}, redis_ms()
for i = 2, #ARGV, 2 do
  local v = redis.call('HMGET', doc(ARGV[i]), 'token', 'status', 'lane')
  local mine = v[1] == ARGV[i + 1] and (v[2] == 'queued' or v[2] == 'rendering')
  if mine then lease(ARGV[i], v[3], now + ARGV[1]) end
  answer[#answer + 1] = mine and 1 or 0
end
return answer
