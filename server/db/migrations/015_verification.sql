-- What verification asks of the past and the records on the chain do not keep.

-- projected: every key that an account was rotated to. The account itself is its first.
create table account_keys (
  account text not null,
  key     text not null,
  primary key (account, key)
);
-- Of those before the present one `rebuild` brings back what the chain has.
insert into account_keys (account, key) select account, key from accounts where key is not null;

-- projected: how many partial red letters the chain has of an invoice, wherever its document is.
create table adjustments (
  number numeric primary key,
  times  int not null
);
insert into adjustments (number, times) select number, count(*) from feed where type = 'invoice.adjusted' and number is not null group by number;
