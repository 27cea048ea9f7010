#!lua flags=allow-oom
-- Say which pending deliveries wait nowhere and, asked to, make them due. Without a callback nobody can send one.
-- ARGV: mode (look | mend) member*        Returns per delivery what is (was) wrong, or ''
local mend, now = ARGV[1] == 'mend', redis_ms()

local function judged(member)
  local receiver = receiver_of_delivery(member)
  if redis.call('HGET', P .. 'delivery:' .. member, 'status') ~= 'pending' or not receiver or redis.call('ZSCORE', P .. 'due', member) then return '' end
  -- From its end: those that were seen there are not asked about.
  if redis.call('LPOS', P .. 'deliver_lane:' .. receiver, member, 'RANK', -1) then return '' end
  if mend then
    redis.call('ZADD', P .. 'due', int(now), member)
    wake('deliver')
  end
  return 'waits_nowhere'
end

local answer = {}
for i = 2, #ARGV do answer[#answer + 1] = judged(ARGV[i]) end
return answer
