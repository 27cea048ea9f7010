#!lua
-- Make the deliveries of ended runs due for an endpoint that was not called then; those that are known stay as they are.
-- From then on the endpoint is one of those that the run has called, and shows in the document's row.
-- ARGV: endpoint user now ('' = Redis TIME) (document_id run type)*        Returns 1
local endpoint, user, now = ARGV[1], ARGV[2], tonumber(ARGV[3]) or redis_ms()

local function show(id, run, member)
  local v = redis.call('HMGET', doc(id), 'run', 'endpoints', 'deleted')
  if v[1] ~= run or v[3] == '1' then return end
  redis.call('HSET', doc(id), 'endpoints', (v[2] and v[2] .. ',' or '') .. endpoint)
  show_deliveries(id, run, member)
  redis.call('PERSIST', doc(id))
  emit(id, 'delivery_resent', now)
end

for i = 4, #ARGV, 3 do
  local id, run = ARGV[i], ARGV[i + 1]
  local member = id .. ':' .. run .. ':' .. endpoint
  if make_due(member, id, run, user, ARGV[i + 2], now, {'endpoint', endpoint}) then show(id, run, member) end
end
return 1
