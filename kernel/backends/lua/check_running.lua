#!lua flags=allow-oom
-- Compare the leases counted per lane with the leases and, asked to, count anew. A lane that had too many may have been
-- parked for them and goes on.
-- ARGV: mode (look | mend)        Returns {lane, counted, true number}*
local truth, answer = {}, {}
for _, id in ipairs(redis.call('ZRANGE', P .. 'leases', 0, -1)) do
  local lane = redis.call('HGET', doc(id), 'lane')
  if lane then truth[lane] = (truth[lane] or 0) + 1 end
end

local function differs(lane, counted, number)
  for _, value in ipairs({lane, counted, number}) do answer[#answer + 1] = value end
  if ARGV[1] ~= 'mend' then return end
  if number > 0 then redis.call('HSET', P .. 'running', lane, number) else redis.call('HDEL', P .. 'running', lane) end
  if number < counted then unpark(lane) end
end

local counted = redis.call('HGETALL', P .. 'running')
for i = 1, #counted, 2 do
  local lane, count = counted[i], tonumber(counted[i + 1])
  if count ~= (truth[lane] or 0) then differs(lane, count, truth[lane] or 0) end
  truth[lane] = nil
end
for lane, number in pairs(truth) do differs(lane, 0, number) end
return answer
