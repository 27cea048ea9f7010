#!lua flags=allow-oom
-- Say what is wrong with documents' places and, asked to, mend it: judged and mended in one step, so what is in motion
-- is never mistaken for what is stuck.
-- ARGV: mode (look | mend) lease_ms (id waits)*, waits: 1 if it was seen in its lane, which is slow to search
-- Returns per document what is (was) wrong, or ''
local mend, lease_ms, now = ARGV[1] == 'mend', tonumber(ARGV[2]), redis_ms()
local FIELDS = {'status', 'seq', 'delivery_status', 'run', 'priority', 'lane', 'callback', 'head', 'deleted'}

-- From its end: one that was not seen there has come since.
local function in_lane(id, v)
  return redis.call('LPOS', P .. 'lane:' .. v.priority .. ':' .. v.lane, id, 'RANK', -1)
end

local function delivery(id, v) return P .. 'delivery:' .. id .. ':' .. v.run end

-- What may be wrong, in the order in which it is looked for: its name, its sign, its remedy.
local FLAWS = {
  {'incomplete', function(id, v)
    if not v.status then return redis.call('EXISTS', doc(id)) == 1 end
    return not (v.seq and v.delivery_status and v.run and v.priority and v.lane and v.head)
  end, function() end}, -- for a person to look at
  {'gone', function(_, v) return not v.status and (v.leased or v.delayed) end, function(id)
    redis.call('ZREM', P .. 'leases', id)
    redis.call('ZREM', P .. 'delayed', id)
  end},
  {'ended_but_leased', function(_, v) return TERMINAL[v.status] and v.leased end, unlease},
  {'delayed_out_of_turn', function(_, v) return (TERMINAL[v.status] or v.status == 'rendering') and v.delayed end,
    function(id) redis.call('ZREM', P .. 'delayed', id) end},
  {'rendering_without_lease', function(_, v) return v.status == 'rendering' and not v.leased end,
    -- A worker that lives renews this lease; of one that does not, the rescuer hears when it ends.
    function(id, v) lease(id, v.lane, now + lease_ms) end},
  {'scheduled_nowhere', function(_, v) return v.status == 'scheduled' and not v.delayed end, function(id, v)
    redis.call('ZADD', P .. 'delayed', string.match(v.head, '"run_at":(%d+)') or int(now), id)
  end},
  {'queued_nowhere', function(id, v)
    return v.status == 'queued' and not v.leased and not v.delayed and not v.waits and not in_lane(id, v)
  end, function(id) push(id, true) end},
  {'delivery_missing', function(id, v)
    return TERMINAL[v.status] and v.delivery_status == 'pending' and v.callback and v.deleted ~= '1'
      and redis.call('EXISTS', delivery(id, v)) == 0
  end, function(id, v) schedule_deliveries(id, v.status, now) end},
}

local function sight(id, waits)
  local v = {waits = waits == '1'}
  for i, value in ipairs(redis.call('HMGET', doc(id), unpack(FIELDS))) do v[FIELDS[i]] = value or nil end
  v.leased = redis.call('ZSCORE', P .. 'leases', id)
  v.delayed = redis.call('ZSCORE', P .. 'delayed', id)
  return v
end

local function judged(id, waits)
  local v = sight(id, waits)
  for _, flaw in ipairs(FLAWS) do
    if flaw[2](id, v) then
      if mend then flaw[3](id, v) end
      return flaw[1]
    end
  end
  return ''
end

local answer = {}
for i = 3, #ARGV, 2 do answer[#answer + 1] = judged(ARGV[i], ARGV[i + 1]) end
return answer
