#!lua flags=allow-oom
-- Read or correct the counters of unfinished documents. `look` also sends a mark to whoever listens for changes: what
-- came before it is what these counters counted. `mend` adds differences, once, unless somebody has looked since.
-- ARGV: mode (look | mend) nonce (field difference)*        Returns {mark, counters}, or 1 | 0 if it was not ours to mend
local turn, mended = P .. 'role:counting', P .. 'mended:' .. ARGV[2]
if ARGV[1] == 'look' then
  redis.call('SET', turn, ARGV[2], 'PX', 60000)
  local mark = table.concat(redis.call('TIME'), '.') -- another one when it is asked again: the counters have moved on
  redis.call('PUBLISH', P .. 'changed:' .. ARGV[2], mark)
  return {mark, redis.call('HGETALL', P .. 'open')}
end
if redis.call('EXISTS', mended) == 1 then return 1 end -- asked again: the answer did not arrive
if redis.call('GET', turn) ~= ARGV[2] then return 0 end
redis.call('DEL', turn)
redis.call('SET', mended, 1, 'PX', 60000)
for i = 3, #ARGV, 2 do
  if redis.call('HINCRBY', P .. 'open', ARGV[i], ARGV[i + 1]) <= 0 and ARGV[i] ~= 'all' and ARGV[i] ~= 'bytes' then
    redis.call('HDEL', P .. 'open', ARGV[i])
  end
end
return 1
