-- How far numbers are given away and how far they are in lots: two tables, for two writers. In one row they waited for each other,
-- and with several segments in a transaction, in a circle.
alter table segment_use rename to segment_accepted;
create table segment_lotted (
  segment numeric(20) primary key,
  lotted  bigint not null default 0
);
insert into segment_lotted (segment, lotted) select segment, lotted from segment_accepted;
alter table segment_accepted drop column lotted;
create view segment_use as
  select a.segment, a.accepted, coalesce(l.lotted, 0) as lotted from segment_accepted a left join segment_lotted l on l.segment = a.segment;
