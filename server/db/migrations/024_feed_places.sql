-- A feed position counts the places of our own events within a block (server/feed/places.ts), and no longer the node's log indexes:
-- anybody can put any number of logs before ours. The log index of a row stands beside it; null: a notice, which has no log.
alter table feed add column log_index int;
update feed set log_index = (position >> 11) & 65535 where tx is not null;

-- Rows of before keep their positions until the next `rebuild`, which gives them the places that they have now. A subscription
-- that stands within a block gets that block once more, so that it misses nothing then: deliveries are at least once.
update webhooks set position = greatest(0, ((position >> 27) << 27) - 1);
