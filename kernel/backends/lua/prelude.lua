-- Loaded in front of every script. KEYS[1] is the key prefix, whose hash tag puts all keys into one cluster slot.
-- Rules: state and fencing token are compared before anything is written; every script may be repeated by the client;
-- numbers are written with int(), because tostring() turns 1731234567890 into 1.731234567890e+12.
local P = KEYS[1]

-- Adding 0 makes 0 of -0, which is no integer to Redis.
local function int(number) return string.format('%.0f', number + 0) end

local function redis_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function doc(id) return P .. 'doc:' .. id end

local ROW = {'head', 'status', 'run', 'attempt', 'worker', 'queued_at', 'started_at', 'completed_at', 'expires_at',
  'render_ms', 'result', 'error', 'delivery_status', 'delivery_attempts', 'delivery_next', 'deleted', 'seq'}

-- Append the document's row after a transition: to its own hash, to the event stream, to whoever waits for it.
local function emit(id, event, at, detail)
  local key = doc(id)
  local v = redis.call('HMGET', key, unpack(ROW))
  local seq = int(tonumber(v[17]) + 1)
  local tail = table.concat({
    ',"seq":', seq, ',"event":"', event, '","at":', int(at), ',"status":"', v[2], '","run":', v[3],
    ',"attempt":', v[4], ',"worker":"', v[5] or '', '","queued_at":', v[6], ',"started_at":', v[7] or 'null',
    ',"completed_at":', v[8] or 'null', ',"expires_at":', v[9] or 'null', ',"render_ms":', v[10] or 'null',
    ',"result":', v[11] or 'null', ',"error":', v[12] or 'null',
    ',"delivery":{"status":"', v[13], '","attempts":', v[14], ',"next_attempt_at":', v[15] or 'null',
    '},"detail":', detail or 'null', ',"deleted":', v[16] or '0', '}'})
  redis.call('HSET', key, 'seq', seq, 'e' .. seq, tail)
  redis.call('XADD', P .. 'events', '*', 'd', v[1] .. tail)
  redis.call('PUBLISH', P .. 'changed:' .. id, v[2])
end

-- Wake one blocked reader; more than 64 pending wake-ups tell nobody anything new.
local function wake(name)
  if redis.call('LLEN', P .. 'wake:' .. name) < 64 then redis.call('LPUSH', P .. 'wake:' .. name, 1) end
end

-- Put a document into its lane; a lane that holds something stands in the ring, or is parked because of its cap.
local function push(id, front)
  local v = redis.call('HMGET', doc(id), 'priority', 'lane')
  local length = redis.call(front and 'LPUSH' or 'RPUSH', P .. 'lane:' .. v[1] .. ':' .. v[2], id)
  if length == 1 then redis.call('RPUSH', P .. 'ring:' .. v[1], v[2]) end
  wake('render')
end

-- A lane at its cap leaves the ring, so that claims need not pass by it, until one of its leases ends.
local function park(lane, priority)
  local known = redis.call('HGET', P .. 'parked', lane)
  redis.call('HSET', P .. 'parked', lane, (known and known .. ',' or '') .. priority)
end

local function unpark(lane)
  local priorities = redis.call('HGET', P .. 'parked', lane)
  if not priorities then return end
  redis.call('HDEL', P .. 'parked', lane)
  for priority in string.gmatch(priorities, '%a+') do
    redis.call('RPUSH', P .. 'ring:' .. priority, lane)
    wake('render')
  end
end

-- The lease of a document, counted for its lane. Both say whether there was something to do.
local function lease(id, lane, expires_at)
  if redis.call('ZADD', P .. 'leases', int(expires_at), id) == 0 then return false end
  redis.call('HINCRBY', P .. 'running', lane, 1)
  return true
end

local function unlease(id)
  if redis.call('ZREM', P .. 'leases', id) == 0 then return false end
  local lane = redis.call('HGET', doc(id), 'lane')
  if not lane then return true end
  if redis.call('HINCRBY', P .. 'running', lane, -1) <= 0 then redis.call('HDEL', P .. 'running', lane) end
  unpark(lane)
  return true
end

-- Count a document in or out: the unfinished ones and the bytes of their jobs, in all and of its user.
local function count_open(id, change)
  local v = redis.call('HMGET', doc(id), 'user', 'size')
  if not v[2] then return end -- it was lost while under way and came back (restore.lua) to be deleted: never counted
  local user, bytes = v[1], int(change * tonumber(v[2]))
  redis.call('HINCRBY', P .. 'open', 'all', change)
  redis.call('HINCRBY', P .. 'open', 'bytes', bytes)
  redis.call('HINCRBY', P .. 'open', 'bytes:' .. user, bytes)
  if redis.call('HINCRBY', P .. 'open', user, change) <= 0 then
    redis.call('HDEL', P .. 'open', user, 'bytes:' .. user)
  end
  if change < 0 then redis.call('HINCRBY', P .. 'load', 'ended', 1) end
end

-- How full the server is and how fast the queue drains, looked at twice a second: INFO alone takes 30 us.
local function measured()
  local now, names = redis_ms(), {'at', 'used', 'max', 'events', 'per_s', 'ended', 'ended_then'}
  local load = {}
  for i, value in ipairs(redis.call('HMGET', P .. 'load', unpack(names))) do load[names[i]] = tonumber(value or 0) end
  local span = math.abs(now - load.at)
  if span < 500 then return load end
  local info = redis.pcall('INFO', 'memory') -- a user of the server may be forbidden to ask
  info = type(info) == 'string' and info or ''
  load.used = tonumber(string.match(info, 'used_memory:(%d+)') or 0)
  load.max = tonumber(string.match(info, 'maxmemory:(%d+)') or 0)
  load.events = tonumber(redis.call('MEMORY', 'USAGE', P .. 'events') or 0)
  local pace = (load.ended - load.ended_then) * 1000 / span
  load.per_s = span > 10000 and pace or 0.7 * load.per_s + 0.3 * pace
  redis.call('HSET', P .. 'load', 'at', int(now), 'used', int(load.used), 'max', int(load.max), 'events',
    int(load.events), 'per_s', string.format('%.3f', load.per_s), 'ended_then', int(load.ended))
  return load
end

-- May one more document of `size` bytes be taken? Limits, 0 for none: documents in all, of a user, bytes in all, of a
-- user, bytes of waiting events, per cent of maxmemory. Returns nil, or {system_full | user_full, what is full, seconds
-- after which a twentieth of what is open will have ended}.
local function refusal(user, size, limits)
  local load, open = measured(), redis.call('HMGET', P .. 'open', 'all', user, 'bytes', 'bytes:' .. user)
  for i = 1, 4 do open[i] = tonumber(open[i] or 0) end
  for i = 1, 6 do limits[i] = tonumber(limits[i]) end
  local wait = load.per_s > 0 and math.ceil(open[1] / 20 / load.per_s) or 30
  wait = int(math.max(1, math.min(300, wait)))
  local function over(value, limit) return limit > 0 and value > limit end
  if load.max > 0 and over(load.used * 100, limits[6] * load.max) then return {'system_full', 'memory', wait} end
  if over(load.events, limits[5]) then return {'system_full', 'events', '5'} end
  if over(open[1] + 1, limits[1]) then return {'system_full', 'documents', wait} end
  if over(open[3] + size, limits[3]) then return {'system_full', 'bytes', wait} end
  if over(open[2] + 1, limits[2]) then return {'user_full', 'documents', wait} end
  if over(open[4] + size, limits[4]) then return {'user_full', 'bytes', wait} end
end

-- Host and port of a callback.
local function receiver_of(callback) return string.lower(string.match(callback, '"url":"%a+://([^/?#"]*)') or '') end

-- UUIDv5(document, run, type, endpoint), as contracts.deliveries.webhook_id makes it.
local function webhook_id(id, run, type, endpoint)
  local bytes = string.gsub(string.gsub(id, '-', ''), '..', function(pair) return string.char(tonumber(pair, 16)) end)
  local hex = redis.sha1hex(bytes .. run .. ':' .. type .. (endpoint and ':' .. endpoint or ''))
  local variant = string.format('%x', 8 + tonumber(string.sub(hex, 17, 17), 16) % 4)
  return table.concat({string.sub(hex, 1, 8), string.sub(hex, 9, 12), '5' .. string.sub(hex, 14, 16),
    variant .. string.sub(hex, 18, 20), string.sub(hex, 21, 32)}, '-')
end

-- The URL of a delivery for the log, without its query.
local function shown_url(callback, endpoint)
  if endpoint then return redis.call('HGET', P .. 'endpoint:' .. endpoint, 'shown') or '' end
  local url, query = string.match(callback, '"url":"(%a+://[^?#"\\]*)(%??)')
  return (url or '') .. (query == '?' and '?...' or '')
end

-- Log that a delivery is due, as its attempt 0: lists know it before anybody has tried.
local function due_line(member, at)
  local v = redis.call('HMGET', P .. 'delivery:' .. member, 'document_id', 'run', 'user', 'type', 'callback',
    'created_at', 'endpoint')
  return table.concat({
    '{"delivery_id":"', webhook_id(v[1], v[2], v[4], v[7]), '","attempt":0,"document_id":"', v[1], '","user_id":"', v[3],
    '","run":', v[2], ',"type":"', v[4], '","endpoint_id":', v[7] and '"' .. v[7] .. '"' or 'null',
    ',"url":"', shown_url(v[5], v[7]), '","status":"pending","next_attempt_at":', int(at), ',"at":', int(at),
    ',"created_at":', v[6], '}'})
end

local function log_due(member, at) redis.call('XADD', P .. 'events', '*', 'w', due_line(member, at)) end

-- Whom a delivery is for; once it is due it waits in a lane of its own for each receiver: an endpoint, or a user's callbacks
-- to one host and port, for what others have there is none of its concern. A ping finds out how an endpoint is: it does not
-- wait behind what else is due for it, nor until its circuit closes.
local function receiver_of_delivery(member)
  local v = redis.call('HMGET', P .. 'delivery:' .. member, 'endpoint', 'callback', 'type', 'user')
  if v[1] then return (v[3] == 'ping' and 'ping:' or '') .. v[1] end
  return v[2] and v[4] .. '/' .. receiver_of(v[2])
end

-- Let a receiver that is left alone be called again now; its rate stays.
local function reopen_receiver(receiver)
  if redis.call('ZSCORE', P .. 'shut', receiver) then
    redis.call('ZADD', P .. 'shut', 0, receiver)
    wake('deliver')
  end
end

-- Forget how calls to a receiver went: it is well, or somebody has changed it. The pause that it asked for, and how many
-- calls were made in this second, stay.
local function forgive_receiver(receiver)
  local key = P .. 'receiver:' .. receiver
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.match(field, '^[tx]%d+$') then redis.call('HDEL', key, field) end
  end
  redis.call('HDEL', key, 'shut_until', 'trips', 'probe', 'bad_since', 'bad')
  reopen_receiver(receiver)
end

-- A delivery, due now, unless it is known. `more` are its own fields: callback or endpoint, seq or data.
local function make_due(member, id, run, user, type, at, more)
  local key = P .. 'delivery:' .. member
  if redis.call('EXISTS', key) == 1 then return false end
  redis.call('HSET', key, 'document_id', id, 'run', run, 'user', user, 'type', type, 'status', 'pending', 'attempts', 0,
    'token', 0, 'created_at', int(at), 'next_at', int(at), unpack(more))
  redis.call('ZADD', P .. 'due', int(at), member)
  log_due(member, at)
  wake('deliver')
  return true
end

-- The enabled endpoints of a user that ask for a type of event.
local function endpoints_for(user, type)
  local found, known = {}, redis.call('HGETALL', P .. 'user-endpoints:' .. user)
  for i = 1, #known, 2 do
    if string.find(known[i + 1], ',' .. type .. ',', 1, true) then found[#found + 1] = known[i] end
  end
  return found
end

-- Tell a user's endpoints something that is about no document.
local function tell_endpoints(user, type, message, data, at)
  for _, endpoint in ipairs(endpoints_for(user, type)) do
    make_due(message .. ':0:' .. endpoint, message, 0, user, type, at, {'endpoint', endpoint, 'data', data})
  end
end

-- The webhooks of a run are due in the same step that ends the run: a crash in between cannot lose one.
local function schedule_deliveries(id, status, at)
  local v = redis.call('HMGET', doc(id), 'callback', 'run', 'user', 'seq')
  local member, type, row = id .. ':' .. v[2], 'document.' .. status, int(v[4] + 1) -- the row that `finish` appends next
  local endpoints = endpoints_for(v[3], type)
  if v[1] then make_due(member, id, v[2], v[3], type, at, {'callback', v[1], 'seq', row}) end
  for _, endpoint in ipairs(endpoints) do
    make_due(member .. ':' .. endpoint, id, v[2], v[3], type, at, {'endpoint', endpoint, 'seq', row})
  end
  redis.call('HDEL', doc(id), 'endpoints')
  if #endpoints > 0 then redis.call('HSET', doc(id), 'endpoints', table.concat(endpoints, ',')) end
  if v[1] or #endpoints > 0 then
    redis.call('HSET', doc(id), 'delivery_status', 'pending', 'delivery_attempts', 0, 'delivery_next', int(at))
  end
end

-- Show in a document's row how the deliveries of its run stand together: pending while one is, dead if one is. Those of
-- an earlier run do not show. Returns whether they have all settled just now.
local function show_deliveries(id, run, member)
  local v = redis.call('HMGET', doc(id), 'run', 'endpoints', 'callback', 'delivery_status')
  if v[1] ~= run then return false end
  local members, first = {[member] = true}, id .. ':' .. run
  if v[3] then members[first] = true end
  for endpoint in string.gmatch(v[2] or '', '[^,]+') do members[first .. ':' .. endpoint] = true end
  local status, next_at = 'delivered', nil
  for one in pairs(members) do
    local known = redis.call('HMGET', P .. 'delivery:' .. one, 'status', 'next_at')
    if known[1] == 'pending' then
      status, next_at = 'pending', math.min(next_at or math.huge, tonumber(known[2] or math.huge))
    elseif status == 'delivered' and (known[1] == 'dead' or not known[1] and v[4] == 'dead') then
      status = 'dead'
    end
  end
  redis.call('HSET', doc(id), 'delivery_status', status)
  if next_at and next_at < math.huge then
    redis.call('HSET', doc(id), 'delivery_next', int(next_at))
  else
    redis.call('HDEL', doc(id), 'delivery_next')
  end
  return status ~= 'pending' and status
end

-- End a run: the one place where a document becomes completed, failed or cancelled.
local function finish(id, status, at, detail)
  redis.call('HSET', doc(id), 'status', status, 'completed_at', int(at))
  unlease(id)
  redis.call('ZREM', P .. 'delayed', id)
  count_open(id, -1)
  schedule_deliveries(id, status, at)
  emit(id, status, at, detail)
end

-- A user's keys go with it.
local function forget_keys(user)
  for _, digest in ipairs(redis.call('HVALS', P .. 'user-keys:' .. user)) do redis.call('DEL', P .. 'key:' .. digest) end
  redis.call('DEL', P .. 'user-keys:' .. user)
end

-- A user's endpoints are called no more; they stay for a week, as the user does, for what is still due.
local DELETED_TTL_S = 7 * 86400

local function endpoint_indexed(id, user, types, deleted)
  local known = deleted and 'SREM' or 'SADD'
  redis.call(known, P .. 'endpoints', id)
  redis.call(known, P .. 'endpoints-of:' .. user, id)
  if types == '' then
    redis.call('HDEL', P .. 'user-endpoints:' .. user, id)
  else
    redis.call('HSET', P .. 'user-endpoints:' .. user, id, types)
  end
  if deleted then
    redis.call('EXPIRE', P .. 'endpoint:' .. id, DELETED_TTL_S)
  else
    redis.call('PERSIST', P .. 'endpoint:' .. id)
  end
end

local function forget_endpoints(user)
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'endpoints-of:' .. user)) do endpoint_indexed(id, user, '', true) end
end

-- Where a template that somebody owns is listed: of all, also deleted ones; its owner's; the shared ones by name.
local function template_indexed(owner, name, shared, deleted)
  redis.call('SADD', P .. 'owned-templates', owner .. '/' .. name)
  redis.call(deleted and 'SREM' or 'SADD', P .. 'user-templates:' .. owner, name)
  if shared and not deleted then
    redis.call('HSET', P .. 'shared-templates', name, owner)
  elseif redis.call('HGET', P .. 'shared-templates', name) == owner then
    redis.call('HDEL', P .. 'shared-templates', name)
  end
end

local TERMINAL = {completed = true, failed = true, cancelled = true}
