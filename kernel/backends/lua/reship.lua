#!lua flags=allow-oom
-- Append events that history has lost to the stream again, from the document's own hash. `again` is the id of the last
-- one: while the stream holds it they are on their way, and whoever looked before it was written changes nothing.
-- ARGV: id again (as it was when history was asked, '' for none) seq*        Returns how many were appended
local key, count, last = doc(ARGV[1]), 0, nil
local v = redis.call('HMGET', key, 'head', 'again')
if not v[1] or (v[2] or '') ~= ARGV[2] then return 0 end
for i = 3, #ARGV do
  local tail = redis.call('HGET', key, 'e' .. ARGV[i])
  if tail then
    last = redis.call('XADD', P .. 'events', '*', 'd', v[1] .. tail)
    count = count + 1
  end
end
if last then redis.call('HSET', key, 'again', last) end
return count
