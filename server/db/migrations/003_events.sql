-- The feed's way out: what only the bureau sees of a row, an index from accounts to rows, and webhooks.

-- Members that the bureau's `data` has besides.
alter table feed add column bureau jsonb;

-- projected. Who sees which row, in the order of rows ('*': every party). A btree over (account, position) is what a page of one
-- party's rows after a position needs; the index over feed.accounts would fetch all of its rows and sort them. Kept by the
-- database itself, in the transaction of the row, so that no writer of the feed can forget it.
create table feed_accounts (
  account  text not null,
  position bigint not null,
  primary key (account, position)
);
insert into feed_accounts (account, position) select distinct unnest(accounts), position from feed;
drop index feed_accounts_idx;

create function feed_told() returns trigger language plpgsql as $$
begin
  insert into feed_accounts (account, position) select distinct unnest(accounts), position from told;
  return null;
end $$;
create trigger feed_told after insert on feed referencing new table as told for each statement execute function feed_told();

create function feed_emptied() returns trigger language plpgsql as $$
begin
  truncate feed_accounts;
  return null;
end $$;
create trigger feed_emptied after truncate on feed for each statement execute function feed_emptied();

-- stored, and its own work. A subscription of one party, and how far it is delivered (server/feed/deliverer.ts).
--   sealed         {"url", "description"?, "secrets": [{"secret", "until"?}]}
--   roles          those of the key that made it: what it sees, and who may steer it
--   types          null: all that these roles see
--   position       everything up to here is delivered, or is nothing that it sees
--   tries          attempts at the event after `position` that failed
--   claimed_until  some process delivers until then; `claim` tells whose claim it is
--   disabled       why nothing is delivered: party, failing, gone; null: it is active
create table webhooks (
  id            uuid primary key default uuidv7(),
  account       text not null references parties,
  roles         text[] not null,
  sealed        bytea not null,
  types         text[],
  position      bigint not null,
  tries         int not null default 0,
  next_at       timestamptz not null default now(),
  claim         uuid,
  claimed_until timestamptz,
  disabled      text check (disabled in ('party', 'failing', 'gone')),
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
);
create index on webhooks (account, id);
create index on webhooks (next_at) where disabled is null;

-- The last attempts of a subscription, for its owner to look at. `event` is a feed position, null for the test delivery.
create table webhook_attempts (
  id      bigint generated always as identity primary key,
  webhook uuid not null references webhooks on delete cascade,
  event   bigint,
  at      timestamptz not null default now(),
  status  int,
  ms      int not null,
  error   text
);
create index on webhook_attempts (webhook, id);

-- Since when each subscription has something to be delivered; null: it has not. A subscription of which no row is does not move
-- its position, so that the feed's head alone says nothing of it.
create view webhook_backlog as
select w.id, w.disabled, w.tries, f.at as since
from webhooks w left join feed f on f.position =
  case when 'bureau' = any(w.roles) then (select min(n.position) from feed n where n.position > w.position)
  else least((select min(a.position) from feed_accounts a where a.account = w.account and a.position > w.position),
             (select min(a.position) from feed_accounts a where a.account = '*' and a.position > w.position)) end;
