#!lua flags=no-writes
-- How long the oldest queued document has waited, looking at the first of up to ARGV[1] lanes of each priority.
-- Returns the age in ms, or -1 if nothing waits.
local now, oldest = redis_ms(), nil
for _, priority in ipairs({'interactive', 'normal', 'batch'}) do
  for _, lane in ipairs(redis.call('LRANGE', P .. 'ring:' .. priority, 0, tonumber(ARGV[1]) - 1)) do
    local id = redis.call('LINDEX', P .. 'lane:' .. priority .. ':' .. lane, 0)
    local at = id and tonumber(redis.call('HGET', doc(id), 'queued_at') or '')
    if at and (not oldest or at < oldest) then oldest = at end
  end
end
return oldest and math.max(0, math.floor(now - oldest)) or -1
