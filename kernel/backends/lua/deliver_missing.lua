#!lua
-- Make the deliveries of ended runs due for an endpoint that was not called then; those that are known stay as they are.
-- ARGV: endpoint user now ('' = Redis TIME) (document_id run type)*        Returns 1
local endpoint, user, now = ARGV[1], ARGV[2], tonumber(ARGV[3]) or redis_ms()
for i = 4, #ARGV, 3 do
  local id, run = ARGV[i], ARGV[i + 1]
  make_due(id .. ':' .. run .. ':' .. endpoint, id, run, user, ARGV[i + 2], now, {'endpoint', endpoint})
end
return 1
