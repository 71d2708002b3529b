-- stored. Accounts that are no party here and have shown that somebody can sign for them: of other gateways' persons, above all. An
-- invoice may be issued to them. `shown_by`: the party that has brought the proof.
create table shown_accounts (
  account    text primary key,
  shown_by   text not null references parties,
  created_at timestamptz not null default now()
);
create index on shown_accounts (shown_by);
