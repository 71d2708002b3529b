/**
 * A gateway's database after years of use: 200,000 invoices of 2,000 issuers in 20,000 segments,
 * with their later history, written by SQL. Three parties have long lists of their own: an issuer,
 * an employer and a holder. Numbers, times and parties are not correlated, so that no query is fast
 * by chance.
 */
import { randomBytes } from "node:crypto";
import { foldName } from "@onepiao/protocol/ledger/identity.ts";
import type { Contracts } from "../../../server/chain/contracts.ts";
import type { Sql } from "../../../server/db/db.ts";
import { createDocuments } from "../../../server/features/invoices/documents.ts";
import { createEncryptionKeys } from "../../../server/features/parties/encryption.ts";
import type { Vault } from "../../../server/keys/vault.ts";

export const INVOICES = 200_000;
export const ISSUERS = 2_000;
export const SEGMENTS = 20_000;
/** Segments with invoices that wait for their lot. */
export const WAITING = 100;
const IN_SEGMENT = INVOICES / SEGMENTS;
/** The first index of the parties other than the three. */
const OTHERS = 1_000;
const CLAIMS = 40_000;
const TRANSFERS = 20_000;
const SHEETS = 9_000;
const ELSEWHERE = 8_000;
const GRANTS = 12_000;
/** The key of near duplicates of which there are very many. */
const USUAL_PRICE = ["seller", "2026-11-03", "CNY", "200.00", foldName("茶餐厅")].join("\0");
const BEGIN = Date.parse("2020-01-01T00:00:00Z");

export type Standing = { account: string; index: number };
export type Many = {
  issuer: Standing;
  employer: Standing;
  holder: { account: string };
  /** A person with a grant to read. */
  reader: { account: string };
  bureau: { account: string };
};

const account = (n: number) => `0x${n.toString(16).padStart(40, "0")}`;
const numberOf = (i: number) =>
  (
    20_442n * 10n ** 15n +
    BigInt(Math.floor(i / IN_SEGMENT)) * 100n +
    BigInt(i % IN_SEGMENT)
  ).toString();
const idOf = (kind: string, n: number) => {
  const time = (BEGIN + n * 60_000).toString(16).padStart(12, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${kind}-8000-${n.toString(16).padStart(12, "0")}`;
};
/** A claim of the employer, of an external invoice. */
export const EXTERNAL_CLAIM = idOf("002", CLAIMS);
const wordOf = (words: readonly (readonly [string, number])[], n: number): string => {
  let left = ((n * 31) % 97) / 97;
  for (const [word, share] of words) {
    left -= share;
    if (left < 0) return word;
  }
  return (words[0] as readonly [string, number])[0];
};

/** A document with the members that lists show. */
const document = JSON.stringify({
  issuedAt: "2020-03-01T12:00:00+08:00",
  seller: { taxId: "91440305MA4JURQ28R", name: "茶餐厅" },
  buyer: { taxId: "91440300MAJU6XYHXC", name: "精密制造" },
  currency: "CNY",
  lines: [],
  totals: { net: "188.68", tax: "11.32", gross: "200.00" },
});

const side = { seller: { name: "茶餐厅" }, days: ["2020-03-01"], currency: "CNY", gross: "200.00" };
const finding = JSON.stringify({
  original: "1",
  differs: [],
  stated: side,
  registered: { ...side, invoice: "20442000000000000001", number: "20442000000000000001" },
});

export async function fillWithMany(
  sql: Sql,
  vault: Vault,
  contracts: Contracts,
  { issuer, employer, holder, reader, bureau }: Many,
): Promise<void> {
  const documents = createDocuments({
    vault,
    keys: createEncryptionKeys({ vault }),
    deployment: contracts.deployment,
  });
  const range = (count: number) => Array.from({ length: count }, (_, n) => n);
  const person = (n: number) => account(500_000 + n);
  const issuerOf = (i: number) =>
    Math.floor(i / IN_SEGMENT) % 10 === 0
      ? issuer.index
      : OTHERS + (Math.floor(i / IN_SEGMENT) % ISSUERS);
  const holderOf = (i: number) => (i % IN_SEGMENT === 1 ? holder.account : person(i % 5_000));
  const buyerOf = (i: number) =>
    i % IN_SEGMENT === 2 ? employer.index : i % IN_SEGMENT > 6 ? OTHERS + (i % ISSUERS) : 0;
  const stateOf = (i: number) =>
    wordOf(
      [
        ["issued", 0.7],
        ["claimed", 0.1],
        ["reimbursed", 0.15],
        ["reversed", 0.05],
      ],
      i,
    );
  const acceptedOf = (i: number) => new Date(BEGIN + ((i * 7_919) % INVOICES) * 1_000);

  await sql.begin(async (tx) => {
    await tx.unsafe(
      "set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0",
    );
    // rows that triggers would write are written below with the others
    await tx.unsafe("set local session_replication_role = replica");
    // built at the end, the indexes cost less
    const indexes = await tx<{ name: string; definition: string }[]>`
      select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
      from pg_index join pg_class c on c.oid = indexrelid
      where not indisunique and c.relnamespace = 'public'::regnamespace`;
    for (const { name } of indexes) await tx.unsafe(`drop index ${name}`);

    const others = range(ISSUERS).map((n) => OTHERS + n);
    const identity = (n: number) =>
      JSON.stringify({
        name: `税${n}`,
        taxId: `X${n}`,
        region: "44",
        currency: "CNY",
        salt: "00".repeat(32),
      });
    await tx`
      insert into parties (account, kind, tax_id_blind, sealed, created_by)
      select account, 'taxpayer', decode(md5(account), 'hex'), sealed, ${bureau.account}
      from unnest(${others.map(account)}::text[], ${others.map((n) => vault.seal("parties", account(n), identity(n)))}::bytea[]) as n (account, sealed)`;
    await tx`
      insert into taxpayers (index, account, capabilities, standing)
      select index, account, 3, 'active' from unnest(${others}::int[], ${others.map(account)}::text[]) as n (index, account)`;
    await tx`
      insert into parties (account, kind, sealed, created_by)
      select '0x' || lpad(to_hex(500000 + n), 40, '0'), 'person', '\\x00', ${employer.account} from generate_series(0, 4999) n`;
    await tx`
      insert into api_keys (id, secret_hash, account, roles, created_by, managed_by, created_at)
      select 'many-' || n, '\\x00', case n % 2 when 0 then ${employer.account} else ${issuer.account} end, '{holder}', ${bureau.account},
             case n % 2 when 0 then ${employer.account} else ${issuer.account} end,
             timestamptz '2020-01-01' + n * interval '1 hour'
      from generate_series(0, 4999) n`;

    const segments = range(SEGMENTS).map((n) => ({
      first: numberOf(n * IN_SEGMENT),
      issuer: issuerOf(n * IN_SEGMENT),
    }));
    const [firsts, issuers] = [
      segments.map((segment) => segment.first),
      segments.map((segment) => segment.issuer),
    ];
    await tx`
      insert into segments (first, issuer, length) select first, issuer, ${IN_SEGMENT}::bigint from unnest(${firsts}::numeric[], ${issuers}::int[]) as n (first, issuer)`;
    await tx`insert into segment_accepted (segment, accepted) select n, ${IN_SEGMENT}::bigint from unnest(${firsts}::numeric[]) n`;
    await tx`insert into segment_lotted (segment, lotted) select n, ${IN_SEGMENT}::bigint from unnest(${firsts}::numeric[]) n`;
    await tx`
      insert into lots (first, issuer, segment, count, time, root, block)
      select first, issuer, first, ${IN_SEGMENT}::int, 1600000000 + n, '0x', 900000 + n / 500
      from unnest(${firsts}::numeric[], ${issuers}::int[]) with ordinality as l (first, issuer, n)`;
    const sealing = range(SEGMENTS).map((n) => idOf("001", n));
    await tx`
      insert into operations (id, kind, party, command, signers, status)
      select o.id, 'seal', t.account, jsonb_build_object('type', 'seal', 'first', o.first::text), array[t.account], 'done'
      from unnest(${sealing}::uuid[], ${firsts}::numeric[], ${issuers}::int[]) as o (id, first, issuer) join taxpayers t on t.index = o.issuer`;
    await tx`
      insert into sealings (first, segment, issuer, count, root, operation)
      select first, first, issuer, ${IN_SEGMENT}::int, '0x', id
      from unnest(${firsts}::numeric[], ${issuers}::int[], ${sealing}::uuid[]) as s (first, issuer, id)`;

    for (let from = 0; from < INVOICES; from += 20_000) {
      const some = range(20_000).map((n) => from + n);
      await tx`
        insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, source_blind, document, accepted_at)
        select number, issuer, number - number % 100, '0x', '\\x00', holder, buyer, decode(md5(number::text), 'hex'), document, at
        from unnest(${some.map(numberOf)}::numeric[], ${some.map(issuerOf)}::int[], ${some.map(holderOf)}::text[], ${some.map(buyerOf)}::int[],
                    ${some.map((i) => documents.seal(numberOf(i), document))}::bytea[], ${some.map(acceptedOf)}::timestamptz[])
          as n (number, issuer, holder, buyer, document, at)`;
      await tx`
        insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version, accepted_at, issued_at, updated_at)
        select i.number, i.segment, i.issuer, s.state, i.leaf_holder,
               case when i.leaf_buyer = 0 and s.state in ('claimed', 'reimbursed') then case when i.number % 5 = 3 then ${employer.index} else ${OTHERS} + (i.number % 1999)::int end
                    else i.leaf_buyer end, i.leaf_buyer <> 0, case s.state when 'issued' then 0 else 2 end, i.accepted_at, i.accepted_at, i.accepted_at
        from unnest(${some.map(numberOf)}::numeric[], ${some.map(stateOf)}::text[]) as s (number, state) join invoices i on i.number = s.number`;
    }
    await tx`
      insert into document_hashes (blind, accepted_at, number)
      select decode(md5('file ' || number), 'hex'), accepted_at, number from invoices`;
    await tx`insert into reads (number, account, form, key_id) select number, ${bureau.account}, 'audit', 'audit' from invoices`;
    // a party that has read every day for years
    await tx`
      insert into reads (number, account, form, day, key_id)
      select ${numberOf(1)}::numeric, ${holder.account}, 'json', date '2014-01-01' + n, 'many' from generate_series(1, 4000) n`;

    // accepted invoices that wait: the issuer's, and other issuers'
    const waiting = range(WAITING).map((n) => ({
      first: (21_442n * 10n ** 15n + BigInt(n) * 100n).toString(),
      issuer: n < 50 ? issuer.index : OTHERS + n,
    }));
    for (const { first, issuer: owner } of waiting) {
      await tx`insert into segments (first, issuer, length) values (${first}, ${owner}, 50)`;
      await tx`insert into segment_free (issuer, first) values (${owner}, ${first})`;
      await tx`insert into segment_accepted (segment, accepted, waiting_since) values (${first}, 10, now())`;
      const numbers = range(10).map((n) => (BigInt(first) + BigInt(n)).toString());
      await tx`
        insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, document)
        select number, ${owner}::int, ${first}::numeric, '0x', '\\x00', ${holder.account}, ${employer.index}, document
        from unnest(${numbers}::numeric[], ${numbers.map((number) => documents.seal(number, document))}::bytea[]) as n (number, document)`;
    }
    await tx`
      insert into unsealed (number, issuer, holder, buyer, accepted_at)
      select number, issuer, leaf_holder, leaf_buyer, accepted_at from invoices where number >= ${21_442n * 10n ** 15n} and number < ${22_442n * 10n ** 15n}`;
    // and invoices in lots that are stuck because the chain does not accept them
    await tx`
      insert into unsealed (number, issuer, holder, buyer, accepted_at)
      select ${23_442n * 10n ** 15n}::numeric + n, ${OTHERS} + n % ${ISSUERS}, '0x' || lpad(to_hex(500000 + n % 5000), 40, '0'), 0, now()
      from generate_series(1, 20000) n`;
    await tx`update lotted set invoices = ${INVOICES}`;

    // claims, on invoices of this network and on invoices issued elsewhere
    const claims = range(CLAIMS + ELSEWHERE);
    const claimOf = (n: number) => idOf("002", n);
    const claimStates = [
      ["reimbursed", 0.6],
      ["claimed", 0.2],
      ["rejected", 0.08],
      ["withdrawn", 0.04],
      ["submitted", 0.01],
      ["refused", 0.05],
      ["reversed", 0.02],
    ] as const;
    const claimHolder = (n: number) => (n % 4 === 1 ? holder.account : person(n % 5_000));
    const claimEmployer = (n: number) =>
      n % 4 === 0 || n % 8 === 1 ? employer.index : OTHERS + (n % ISSUERS);
    const claiming = claims.map((n) => idOf("003", n));
    const states = claims.map((n) => wordOf(claimStates, n));
    await tx`
      insert into operations (id, kind, party, command, signers, status)
      select id, 'claim', holder, '{"type": "act", "kind": "Claim"}', array[holder],
             case state when 'submitted' then 'sent' when 'refused' then 'refused' else 'done' end
      from unnest(${claiming}::uuid[], ${claims.map(claimHolder)}::text[], ${states}::text[]) as o (id, holder, state)`;
    await tx`
      insert into claims (id, ref, holder, employer, sealed, operation, state, created_at)
      select id, 'ref-' || id, holder, employer, sealed, operation, state, uuid_extract_timestamp(id)
      from unnest(${claims.map(claimOf)}::uuid[], ${claims.map(claimHolder)}::text[], ${claims.map(claimEmployer)}::int[],
                  ${claims.map((n) => vault.seal("parties", `claim/${claimOf(n)}`, "{}"))}::bytea[], ${claiming}::uuid[], ${states}::text[])
        as c (id, holder, employer, sealed, operation, state)`;
    await tx`
      insert into claim_states (ref, state, holder, employer, updated_at)
      select ref, state, holder, employer, created_at from claims where state not in ('submitted', 'refused')`;
    await tx`
      insert into claim_invoices (claim, number)
      select claim, number from unnest(${claims.slice(0, CLAIMS).map(claimOf)}::uuid[], ${range(CLAIMS).map((n) => numberOf(n * 5))}::numeric[]) as c (claim, number)`;
    const elsewhere = range(ELSEWHERE).map((n) => ({
      claim: claimOf(CLAIMS + n),
      number: (2n ** 255n + BigInt(n)).toString(),
      n: CLAIMS + n,
    }));
    await tx`
      insert into claim_invoices (claim, number)
      select * from unnest(${elsewhere.map((entry) => entry.claim)}::uuid[], ${elsewhere.map((entry) => entry.number)}::numeric[])`;
    await tx`
      insert into external_invoices (claim, number, employer, holder, document)
      select * from unnest(${elsewhere.map((entry) => entry.claim)}::uuid[], ${elsewhere.map((entry) => entry.number)}::numeric[],
        ${elsewhere.map(({ n }) => claimEmployer(n))}::int[], ${elsewhere.map(({ n }) => claimHolder(n))}::text[],
        ${elsewhere.map(({ claim }) => vault.seal("documents", `external/${claim}`, `{"number":"1","document":${document}}`))}::bytea[])`;
    const digests = elsewhere.map(() => randomBytes(32));
    await tx`
      insert into external_findings (kind, number, employer, claim, digest, sealed, bureau_only)
      select case when n % 3 = 0 then 'conflict' else 'near-duplicate' end, number, employer, claim, digest, sealed, n % 2 = 0
      from unnest(${elsewhere.map(({ n }) => n)}::int[], ${elsewhere.map((entry) => entry.number)}::numeric[], ${elsewhere.map(({ n }) => claimEmployer(n))}::int[],
        ${elsewhere.map(({ claim }) => claim)}::uuid[], ${digests}::bytea[],
        ${digests.map((digest) => vault.seal("documents", `external-finding/${digest.toString("hex")}`, finding))}::bytea[]) as f (n, number, employer, claim, digest, sealed)`;
    // every tenth invoice has the price that many pay
    const usual = vault.blind("near", USUAL_PRICE).subarray(0, 16);
    const near = [
      ...range(INVOICES).map((n) => ({ n, number: numberOf(n) })),
      ...elsewhere.map(({ number }, n) => ({ n, number })),
    ];
    await tx`
      insert into near_keys (blind, number)
      select * from unnest(${near.map(({ n }) => (n % 10 === 0 ? usual : randomBytes(16)))}::bytea[], ${near.map(({ number }) => number)}::numeric[])`;
    await tx`
      insert into invoice_states (number, lot, issuer, state, holder, employer, titled, version, issued_at, updated_at)
      select e.number, null, 0, 'reimbursed', e.holder, e.employer, false, 2, now(), now() from external_invoices e`;

    // transfers, red letters, grants, acts that wait
    await tx`
      insert into transfers (id, number, sender, receiver, status)
      select id, n, case n % 3 when 0 then ${holder.account} else '0x' || lpad(to_hex(500000 + n % 5000), 40, '0') end,
             case n % 3 when 1 then ${holder.account} else '0x' || lpad(to_hex(500001 + n % 5000), 40, '0') end,
             (array['accepted', 'accepted', 'declined', 'withdrawn', 'offered'])[1 + n % 5]
      from unnest(${range(TRANSFERS).map((n) => idOf("004", n))}::uuid[]) with ordinality as t (id, n)`;
    const sheets = range(SHEETS);
    const sheetOf = (n: number) => idOf("005", n);
    const words = JSON.stringify({
      document: JSON.parse(document),
      salt: "00".repeat(32),
      reason: 1,
    });
    await tx`
      insert into red_letters (id, invoice, issuer, employer, by_issuer, status, ref, sealed, confirm_by)
      select r.id, i.number, case n % 3 when 0 then ${issuer.index} else i.issuer end, case n % 3 when 1 then ${employer.index} else 0 end, true, r.status,
             'ref-' || r.id, r.sealed, case when r.status in ('02', '03') then now() + interval '1 day' end
      from unnest(${sheets.map(sheetOf)}::uuid[], ${sheets.map((n) => numberOf(n * 20 + 2))}::numeric[],
                  ${sheets.map((n) => `0${1 + (n % 9)}`)}::text[], ${sheets.map((n) => vault.seal("documents", `red-letter/${sheetOf(n)}`, words))}::bytea[])
        with ordinality as r (id, number, status, sealed, n) join invoices i on i.number = r.number`;
    await tx`
      insert into grants (number, grantee, giver, until, accepted_at)
      select i.number, ${reader.account}, case n % 2 when 0 then i.leaf_holder else ${bureau.account} end, case n % 7 when 0 then now() - interval '1 day' end, i.accepted_at
      from unnest(${range(GRANTS).map((n) => numberOf(n * 13))}::numeric[]) with ordinality as g (number, n) join invoices i on i.number = g.number`;
    await tx`
      insert into operations (id, kind, party, command, message, signers, status)
      select id, 'transfer', '0x' || lpad(to_hex(500000 + n % 5000), 40, '0'), '{"type": "act", "kind": "Transfer"}',
             '{"type": "Draw", "value": {"index": 1, "period": 202001, "amount": "1", "counter": "0"}}', array['0x' || lpad(to_hex(500000 + n % 5000), 40, '0'), ${holder.account}],
             case n % 40 when 0 then 'awaiting-signature' when 1 then 'refused' when 2 then 'failed' else 'done' end
      from unnest(${range(8_000).map((n) => idOf("006", n))}::uuid[]) with ordinality as o (id, n)`;

    // the feed of events
    await tx`
      insert into feed (position, type, number, accounts, data, at, tx)
      select 1000000 + n, case when n % 100 = 0 then 'reimbursement.refused' when n % 100 = 1 then 'invoice.entered' else 'invoice.issued' end, i.number,
             array[t.account, i.leaf_holder, case when n % 50 = 1 then ${employer.account} else ${bureau.account} end],
             '{"reason": "already-reimbursed", "attempt": "claim", "act": "0x", "mark": "02"}', i.accepted_at, '0x'
      from (select *, row_number() over (order by number) as n from invoices where number < ${21_442n * 10n ** 15n}) i join taxpayers t on t.index = i.issuer`;
    await tx`insert into feed_accounts (account, position) select distinct unnest(accounts), position from feed on conflict do nothing`;

    // the bureau's rows
    await tx`
      insert into quotas (taxpayer, period, granted, drawn)
      select ${OTHERS} + n % ${ISSUERS}, 202001 + n / ${ISSUERS}, 100000, 50000 from generate_series(0, ${ISSUERS} * 12 - 1) n`;
    const sums = range(ISSUERS * 12).map((n) => ({
      issuer: OTHERS + (n % ISSUERS),
      period: 202001 + Math.floor(n / ISSUERS),
    }));
    await tx`
      insert into audit_sums (issuer, period, sealed)
      select * from unnest(${sums.map((sum) => sum.issuer)}::int[], ${sums.map((sum) => sum.period)}::int[],
        ${sums.map(({ issuer: owner, period }) => vault.seal("parties", `audit/${owner}/${period}`, '[1,"1","1"]'))}::bytea[])`;
    await tx`
      insert into quota_use (taxpayer, period, sealed)
      select * from unnest(${sums.map((sum) => sum.issuer)}::int[], ${sums.map((sum) => sum.period)}::int[],
        ${sums.map(({ issuer: owner, period }) => vault.seal("parties", `quota/${owner}/${period}`, "1"))}::bytea[])`;
    await tx`
      insert into audit_findings (kind, issuer, subject, found_at)
      select 'document-invalid', ${OTHERS} + n % ${ISSUERS}, n, timestamptz '2020-01-01' + n * interval '1 minute' from generate_series(1, 20000) n`;
    await tx`insert into audit_lots (first, state) select first, case when (first / 100) % 400 = 0 then 'waiting' else 'summed' end from lots`;
    await tx`update audit_lots set next_at = now() + interval '1 hour'`;
    await tx`insert into audit_cursor (block, first, judged) values (1000000, 0, ${SEGMENTS}) on conflict (id) do update set block = excluded.block`;
    await tx`insert into stats_cursor (block, first, undocumented) values (1000000, 0, 10000) on conflict (id) do update set block = excluded.block, undocumented = 10000`;
    await tx`insert into stats_undocumented (lot) select first from lots order by first limit 10000`;
    await tx`
      insert into sends (lane, to_address, data, gas, status, nonce, hash)
      select 'many', '0x', '0x', 1, 'mined', n, 'hash-' || n from generate_series(1, 20000) n`;
    await tx`
      insert into idempotency (account, key, request_hash, status, answer, key_id, roles)
      select ${issuer.account}, 'many-' || n, '\\x00', 201, ${randomBytes(64)}, '', '{admin}' from generate_series(1, 50000) n`;
    await tx.unsafe("set local maintenance_work_mem = '256MB'");
    for (const { definition } of indexes) await tx.unsafe(definition);
  });
  await sql.unsafe("vacuum (analyze)");
}
