-- projected. Which holder has claimed an invoice from which employer, by the version that the claim has left it at; a row for each
-- claim on the chain, whoever's the invoice's document is.
create table claimed_versions (
  number   numeric not null,
  version  int not null,
  holder   text not null,
  employer int not null,
  primary key (number, version)
);

-- projected. Attempts at a second reimbursement (server/mirror/attempts.ts), each once: `block`, `log`, `act` are of the refusal that
-- showed it first. `version`: which the invoice had when it could not be had any more. `party`, `counterparty`, `employer`: null or ''
-- when the signed act could not be read.
create table attempts (
  party        text not null,
  kind         text not null check (kind in ('claim', 'reimburse', 'admit')),
  number       numeric not null,
  version      int not null,
  counterparty text not null,
  employer     int,
  act          text not null,
  reason       text not null,
  block        bigint not null,
  log          int not null,
  primary key (party, kind, number, version, counterparty)
);
create unique index on attempts (block, log);
create index on attempts (act, number);
