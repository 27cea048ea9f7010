#!lua
-- Make a message due for one endpoint: it is about no document, and has an id of its own in its place.
-- ARGV: endpoint user type message_id data_json now ('' = Redis TIME)        Returns its line of the log
local endpoint, message, now = ARGV[1], ARGV[4], tonumber(ARGV[6]) or redis_ms()
local member = message .. ':0:' .. endpoint
make_due(member, message, 0, ARGV[2], ARGV[3], now, {'endpoint', endpoint, 'data', ARGV[5]})
return due_line(member, now)
