-- Which subscriptions have something to be delivered is a mark on their rows: whoever has nothing is not looked at.

-- The last position of the feed that the subscription's party sees: set with every row of the feed, and in front of `position` as long as
-- something is to be delivered. Whoever makes a subscription holds the cursor meanwhile, so that no row comes between.
alter table webhooks add column latest bigint not null default 0;
update webhooks set latest = coalesce((select max(position) from feed), 0);
-- Whether its receiver was slow the last time: then it shares its places with those that fail.
alter table webhooks add column slow boolean not null default false;
drop index webhooks_next_at_idx;
create index webhooks_due on webhooks (next_at) where disabled is null and position < latest;
create index webhooks_bureau on webhooks (id) where 'bureau' = any(roles);

create function feed_to_deliver() returns trigger language plpgsql as $$
begin
  update webhooks w set latest = n.latest
    from (select account, max(position) as latest from (select unnest(accounts) as account, position from told) a group by account) n
    where w.account = n.account;
  update webhooks w set latest = n.latest from (select max(position) as latest from told) n where 'bureau' = any(w.roles);
  if exists (select 1 from told where '*' = any(accounts)) then
    update webhooks set latest = (select max(position) from told);
  end if;
  return null;
end $$;
create trigger feed_to_deliver after insert on feed referencing new table as told for each statement execute function feed_to_deliver();

-- Since when each subscription has something to be delivered; null: it has not, or is disabled.
create or replace view webhook_backlog as
select w.id, w.disabled, w.tries, f.at as since
from webhooks w left join feed f on w.disabled is null and w.position < w.latest and f.position =
  case when 'bureau' = any(w.roles) then (select min(n.position) from feed n where n.position > w.position)
  else least((select min(a.position) from feed_accounts a where a.account = w.account and a.position > w.position),
             (select min(a.position) from feed_accounts a where a.account = '*' and a.position > w.position)) end;
