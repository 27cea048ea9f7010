#!lua flags=no-writes
-- Tell how documents stand, as far as their bytes depend on it.
-- ARGV: ids        Returns {status, deleted, result, completed_at, expires_at, delivery, time of the newest event} per id
local answer = {}
for i, id in ipairs(ARGV) do
  local v = redis.call('HMGET', doc(id), 'status', 'deleted', 'result', 'completed_at', 'expires_at', 'delivery_status',
    'seq')
  local newest = v[7] and redis.call('HGET', doc(id), 'e' .. v[7])
  v[7] = newest and string.match(newest, '"at":(%d+)') or false
  answer[i] = v
end
return answer
