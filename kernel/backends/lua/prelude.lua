-- Loaded in front of every script. KEYS[1] is the key prefix, whose hash tag puts all keys into one cluster slot.
-- Rules: state and fencing token are compared before anything is written; every script may be repeated by the client;
-- numbers are written with int(), because tostring() turns 1731234567890 into 1.731234567890e+12.
local P = KEYS[1]

local function int(number) return string.format('%.0f', number) end

local function redis_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function doc(id) return P .. 'doc:' .. id end

local ROW = {'head', 'status', 'run', 'attempt', 'worker', 'queued_at', 'started_at', 'completed_at', 'expires_at',
  'render_ms', 'result', 'error', 'delivery_status', 'delivery_attempts', 'delivery_next', 'deleted'}

-- Append the document's row after a transition: to its own hash, to the event stream, to whoever waits for it.
local function emit(id, event, at, detail)
  local key = doc(id)
  local seq = redis.call('HINCRBY', key, 'seq', 1)
  local v = redis.call('HMGET', key, unpack(ROW))
  local tail = table.concat({
    ',"seq":', int(seq), ',"event":"', event, '","at":', int(at), ',"status":"', v[2], '","run":', v[3],
    ',"attempt":', v[4], ',"worker":"', v[5] or '', '","queued_at":', v[6], ',"started_at":', v[7] or 'null',
    ',"completed_at":', v[8] or 'null', ',"expires_at":', v[9] or 'null', ',"render_ms":', v[10] or 'null',
    ',"result":', v[11] or 'null', ',"error":', v[12] or 'null',
    ',"delivery":{"status":"', v[13], '","attempts":', v[14], ',"next_attempt_at":', v[15] or 'null',
    '},"detail":', detail or 'null', ',"deleted":', v[16] or '0', '}'})
  redis.call('HSET', key, 'e' .. int(seq), tail)
  redis.call('XADD', P .. 'events', '*', 'd', v[1] .. tail)
  redis.call('PUBLISH', P .. 'changed:' .. id, v[2])
end

-- Wake one blocked reader; more than 64 pending wake-ups tell nobody anything new.
local function wake(name)
  if redis.call('LLEN', P .. 'wake:' .. name) < 64 then redis.call('LPUSH', P .. 'wake:' .. name, 1) end
end

-- Put a document into its lane; a lane stands in the ring exactly while it holds something.
local function push(id, front)
  local v = redis.call('HMGET', doc(id), 'priority', 'lane')
  local length = redis.call(front and 'LPUSH' or 'RPUSH', P .. 'lane:' .. v[1] .. ':' .. v[2], id)
  if length == 1 then redis.call('RPUSH', P .. 'ring:' .. v[1], v[2]) end
  wake('render')
end

local function count_open(id, change)
  local user = redis.call('HGET', doc(id), 'user')
  redis.call('HINCRBY', P .. 'open', 'all', change)
  if redis.call('HINCRBY', P .. 'open', user, change) <= 0 then redis.call('HDEL', P .. 'open', user) end
end

-- Host and port of a callback: what is due waits in a lane of its own for each receiver.
local function receiver_of(callback) return string.lower(string.match(callback, '"url":"%a+://([^/?#"]*)') or '') end

-- UUIDv5(document, run, type), as contracts.deliveries.webhook_id makes it.
local function webhook_id(id, run, type)
  local bytes = string.gsub(string.gsub(id, '-', ''), '..', function(pair) return string.char(tonumber(pair, 16)) end)
  local hex = redis.sha1hex(bytes .. run .. ':' .. type)
  local variant = string.format('%x', 8 + tonumber(string.sub(hex, 17, 17), 16) % 4)
  return table.concat({string.sub(hex, 1, 8), string.sub(hex, 9, 12), '5' .. string.sub(hex, 14, 16),
    variant .. string.sub(hex, 18, 20), string.sub(hex, 21, 32)}, '-')
end

-- Log that a delivery is due, as its attempt 0: lists know it before anybody has tried. The URL comes without its query.
local function log_due(member, at)
  local v = redis.call('HMGET', P .. 'delivery:' .. member, 'document_id', 'run', 'user', 'type', 'callback', 'created_at')
  local url, query = string.match(v[5], '"url":"(%a+://[^?#"\\]*)(%??)')
  redis.call('XADD', P .. 'events', '*', 'w', table.concat({
    '{"delivery_id":"', webhook_id(v[1], v[2], v[4]), '","attempt":0,"document_id":"', v[1], '","user_id":"', v[3],
    '","run":', v[2], ',"type":"', v[4], '","url":"', url or '', query == '?' and '?...' or '',
    '","status":"pending","next_attempt_at":', int(at), ',"at":', int(at), ',"created_at":', v[6], '}'}))
end

-- The webhook of a run is due in the same step that ends the run: a crash in between cannot lose it.
local function schedule_delivery(id, status, at)
  local v = redis.call('HMGET', doc(id), 'callback', 'run', 'user')
  if not v[1] then return end
  local member = id .. ':' .. v[2]
  redis.call('HSET', P .. 'delivery:' .. member, 'document_id', id, 'run', v[2], 'user', v[3],
    'type', 'document.' .. status, 'callback', v[1], 'status', 'pending', 'attempts', 0, 'token', 0, 'created_at', int(at))
  redis.call('ZADD', P .. 'due', int(at), member)
  log_due(member, at)
  redis.call('HSET', doc(id), 'delivery_status', 'pending', 'delivery_attempts', 0, 'delivery_next', int(at))
  wake('deliver')
end

-- End a run: the one place where a document becomes completed, failed or cancelled.
local function finish(id, status, at, detail)
  redis.call('HSET', doc(id), 'status', status, 'completed_at', int(at))
  redis.call('ZREM', P .. 'leases', id)
  redis.call('ZREM', P .. 'delayed', id)
  count_open(id, -1)
  schedule_delivery(id, status, at)
  emit(id, status, at, detail)
end

local TERMINAL = {completed = true, failed = true, cancelled = true}
