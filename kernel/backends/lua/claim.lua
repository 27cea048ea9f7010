#!lua flags=allow-oom
-- Hand out up to `want` documents under a lease: one per lane in turn, priorities 8:4:1, none starves.
-- The same request id gets the same answer: a client that repeats the command after a broken connection loses nothing.
-- ARGV: worker want lease_ms request_id cap (leases that a lane may have at once; 0: any number)
-- Returns {id, token, run, attempt, crashes, postponed, job, ...}
local worker, want, lease_ms, memo = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), P .. 'claim:' .. ARGV[4]
local cap = tonumber(ARGV[5])
local TURNS = {'interactive', 'normal', 'interactive', 'interactive', 'normal', 'interactive', 'batch', 'interactive',
  'normal', 'interactive', 'interactive', 'normal', 'interactive'}
local ALL = {'interactive', 'normal', 'batch'}
-- Lanes may hold any number of cancelled documents: 200,000 passed by at once would hold Redis up for a second.
local MAX_PASSED_BY = 1000
local answer, passed_by, empty = {}, 0, {}

local function hand_out(id, token)
  local v = redis.call('HMGET', doc(id), 'run', 'attempt', 'crashes', 'postponed')
  local job = redis.call('GET', P .. 'job:' .. id)
  for _, value in ipairs({id, token, v[1], v[2], v[3], v[4] or '0', job or ''}) do answer[#answer + 1] = value end
end

local function at_cap(lane) return cap > 0 and tonumber(redis.call('HGET', P .. 'running', lane) or 0) >= cap end

local function pop(priority)
  while passed_by < MAX_PASSED_BY and not empty[priority] do
    local lane = redis.call('LPOP', P .. 'ring:' .. priority)
    while lane and at_cap(lane) do
      park(lane, priority)
      lane = redis.call('LPOP', P .. 'ring:' .. priority)
    end
    empty[priority] = not lane
    if not lane then return nil end
    local list = P .. 'lane:' .. priority .. ':' .. lane
    local id = redis.call('LPOP', list)
    if redis.call('LLEN', list) > 0 then redis.call('RPUSH', P .. 'ring:' .. priority, lane) end
    -- A cancelled document stays in its lane until it comes to the front; a leased one is somebody's already.
    if id and redis.call('HGET', doc(id), 'status') == 'queued' and not redis.call('ZSCORE', P .. 'leases', id)
      and not redis.call('ZSCORE', P .. 'delayed', id) then
      return id, lane
    end
    passed_by = passed_by + 1
  end
end

local function next_id()
  local turn = redis.call('INCR', P .. 'turn')
  local id, lane = pop(TURNS[turn % #TURNS + 1])
  for _, priority in ipairs(ALL) do
    if id then break end
    id, lane = pop(priority)
  end
  return id, lane
end

local repeated = redis.call('LRANGE', memo, 0, -1)
for i = 1, #repeated, 2 do
  if redis.call('HGET', doc(repeated[i]), 'token') == repeated[i + 1] then hand_out(repeated[i], repeated[i + 1]) end
end
if #repeated > 0 then return answer end

local now = redis_ms()
for _ = 1, want do
  local id, lane = next_id()
  if not id then break end
  local token = int(redis.call('HINCRBY', doc(id), 'token', 1))
  redis.call('HSET', doc(id), 'worker', worker)
  lease(id, lane, now + lease_ms)
  redis.call('RPUSH', memo, id, token)
  hand_out(id, token)
end
if #answer > 0 then redis.call('PEXPIRE', memo, 30000) end
if passed_by >= MAX_PASSED_BY then wake('render') end -- there may be more: whoever got nothing comes back at once
return answer
