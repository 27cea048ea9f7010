#!lua flags=no-writes
-- How an ask stands. ARGV: id        Returns {answered, answer} | {waiting} | {held} | {lost}
local answer = redis.call('GET', P .. 'answer:' .. ARGV[1])
if answer then return {'answered', answer} end
if redis.call('EXISTS', P .. 'ask:' .. ARGV[1]) == 1 then return {'waiting'} end
return {redis.call('EXISTS', P .. 'ask_held:' .. ARGV[1]) == 1 and 'held' or 'lost'}
