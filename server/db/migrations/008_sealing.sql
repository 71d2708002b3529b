-- server/sealing. How far each segment's numbers are in lots.

-- work.
create table segment_lotted (
  segment numeric(20) primary key,
  lotted  bigint not null default 0
);

-- work. How many invoices are in lots: the sealer's sum, of all segments.
create table lotted (
  id       int primary key default 1 check (id = 1),
  invoices bigint not null
);
insert into lotted (invoices) values (0);

create view lotted_now as select invoices from lotted;
create view segment_use_now as
  select a.segment, a.accepted, coalesce(l.lotted, 0) as lotted
  from segment_accepted_now a left join segment_lotted l on l.segment = a.segment;

-- The segments that have accepted invoices in no lot; `lotted` of each by its key, however many
-- there are.
create view segment_waits_now as
  select a.segment, a.accepted, coalesce(l.lotted, 0) as lotted, a.waiting_since
  from segment_accepted_now a
  left join lateral (select lotted from segment_lotted where segment = a.segment offset 0) l on true
  where a.waiting_since is not null and a.accepted > coalesce(l.lotted, 0);
