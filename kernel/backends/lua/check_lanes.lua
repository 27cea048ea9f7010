#!lua flags=allow-oom
-- Say what is wrong between lanes and their ring and, asked to, mend it: a lane that holds something stands in its ring
-- once, or is parked while it has leases; one that holds nothing stands nowhere.
-- ARGV: mode (look | mend) ring (interactive | normal | batch | deliver) lane*        Returns per lane what is (was) wrong, or ''
local mend, name = ARGV[1] == 'mend', ARGV[2]
local delivers = name == 'deliver'
local ring = P .. (delivers and 'deliver_ring' or 'ring:' .. name)

local function is_parked(lane)
  local priorities = redis.call('HGET', P .. 'parked', lane)
  return priorities and string.find(',' .. priorities .. ',', ',' .. name .. ',', 1, true)
end

local function judged(lane)
  local holds = redis.call('LLEN', P .. (delivers and 'deliver_lane:' or 'lane:' .. name .. ':') .. lane) > 0
  local places = #redis.call('LPOS', ring, lane, 'COUNT', 0)
  -- The lane of a receiver that is not called for a while comes back by itself.
  local parked = delivers and redis.call('ZSCORE', P .. 'shut', lane) or not delivers and is_parked(lane)
  if parked and not delivers and tonumber(redis.call('HGET', P .. 'running', lane) or 0) <= 0 then
    if mend then unpark(lane) end
    return 'parked_for_ever'
  elseif holds and places == 0 and not parked then
    if mend then
      redis.call('RPUSH', ring, lane)
      wake(delivers and 'deliver' or 'render')
    end
    return 'not_in_ring'
  elseif places > 1 then
    if mend then redis.call('LREM', ring, places - 1, lane) end
    return 'twice_in_ring'
  elseif not holds and places > 0 then
    if mend then redis.call('LREM', ring, 0, lane) end
    return 'empty_in_ring'
  end
  return ''
end

local answer = {}
for i = 3, #ARGV do answer[#answer + 1] = judged(ARGV[i]) end
return answer
