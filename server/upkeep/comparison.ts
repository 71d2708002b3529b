/**
 * Compares stored data with the chain. For each page of blocks it
 *
 * | compares | with | a difference is a |
 * | --- | --- | --- |
 * | the slot of each of our lots | the hash of the header in its event | `lot-slot` |
 * | the row of each lot in these blocks | its event | `lot` |
 * | each document of the lot, opened | the hash that its leaf commits to | `document`, `document-missing` |
 * | the root of the stored leaves | the root on the chain | `leaf` |
 * | the state of each untouched invoice | its leaf | `state` |
 * | the state of each invoice that was acted on | its record, at the cursor's block | `state` |
 *
 * and apart from the pages: accepted invoices that wait without an explanation (`unsealed`), lots
 * that were given up (`lot`), accepted numbers without a document (`document-missing`).
 *
 * Everything of a page is read in one snapshot together with the cursor, and records are read at
 * the cursor's block, so a page never mistakes work in progress for a difference. Differences
 * contain hashes, numbers and accounts, never the content of a document. Writes nothing.
 */
import { setImmediate } from "node:timers/promises";
import { recordStates } from "@onepiao/protocol/ledger/acts.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import { headerHash, type LotHeader, leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import type { ChainClient } from "../chain/client.ts";
import type { ChainEvent, Contracts } from "../chain/contracts.ts";
import type { Sql, Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";
import type { Documents } from "../features/invoices/documents.ts";

export const findingKinds = {
  "lot-slot": "The chain's slot of a lot is not the hash of the header that the node's event tells",
  lot: "A lot's row is not what the chain has, or a lot came to an end without being sealed",
  leaf: "The stored leaves of a lot do not give the root that was sealed",
  document: "A document does not open, or is not the one that its leaf commits to",
  "document-missing": "An accepted invoice's row is not there",
  state: "An invoice's state is not that of its record on the chain",
  unsealed: "An invoice was accepted long ago, is not sealed, and nothing explains it",
} as const;
export type FindingKind = keyof typeof findingKinds;
export type Difference = { kind: FindingKind; subject: string; detail: string };
/** Subjects that a page has compared for one kind: a range of numbers, or a list. */
export type Scope =
  | { kind: FindingKind; from: string; to: string }
  | { kind: FindingKind; subjects: string[] };
export type Page = { differences: Difference[]; scopes: Scope[]; lots: number; invoices: number };

const MAX_AT_ONCE = 100;

type Invoice = {
  number: string;
  content: string;
  salt: Buffer;
  document: Buffer;
  leaf_holder: string;
  leaf_buyer: number;
  state: string | null;
  lot: string | null;
  holder: string;
  employer: number;
  titled: boolean;
  entry: number;
  version: number;
};
type StateRow = {
  number: string;
  state: string;
  holder: string;
  employer: number;
  titled: boolean;
  entry: number;
  version: number;
  updated_at: Date;
};

export type Comparison = ReturnType<typeof createComparison>;

type Deps = {
  sql: Sql;
  documents: Pick<Documents, "open">;
  chain: ChainClient;
  contracts: Contracts;
  /** The time within which an accepted invoice should be sealed. */
  patienceSeconds: number;
};

export function createComparison({ sql, documents, chain, contracts, patienceSeconds }: Deps) {
  const { ledger } = contracts.deployment;

  const ask = async (name: "record" | "lotHash", id: string, block: number) =>
    contracts.ledgerResult(
      name,
      await chain.call(ledger, contracts.ledgerCall(name, [id]), undefined, block),
    )[0];

  // ── one lot ────────────────────────────────────────────────────────────────────────────────────

  function compareDocument(row: Invoice): Difference | undefined {
    try {
      const hash = contentHash(row.salt, documents.open(row.number, row.document));
      if (hash === row.content) return undefined;
      return {
        kind: "document",
        subject: row.number,
        detail: `its hash is ${hash}, its leaf says ${row.content}`,
      };
    } catch {
      return {
        kind: "document",
        subject: row.number,
        detail: "it does not open under this database's keys",
      };
    }
  }

  /** Checks an invoice that no act has touched, according to its row. */
  function compareUntouched(row: Invoice, lot: string): Difference | undefined {
    const { number: subject } = row;
    if (row.state === null)
      return { kind: "state", subject, detail: "it is sealed and has no state" };
    if (row.lot !== lot)
      return { kind: "state", subject, detail: `it is in lot ${lot}, its state says ${row.lot}` };
    if (row.version !== 0) return undefined;
    const stored =
      `${row.state} holder ${row.holder} employer ${row.employer} titled ${row.titled} mark ` +
      `${row.entry}`;
    const sealed =
      `issued holder ${row.leaf_holder} employer ${row.leaf_buyer} titled ` +
      `${row.leaf_buyer !== 0} mark 1`;
    return stored === sealed
      ? undefined
      : { kind: "state", subject, detail: `untouched, it is ${sealed}; its row says ${stored}` };
  }

  async function compareLot(
    tx: Tx,
    event: ChainEvent,
    page: Page,
    touched: Set<string>,
  ): Promise<void> {
    const { args } = event;
    const first = args["first"] as string;
    const count = args["count"] as number;
    const [segment] =
      await tx`select 1 from segment_use_now where segment = ${args["segment"] as string}`;
    const [lot] = await tx<RowOf<"lot_now", "issuer" | "segment" | "count" | "time" | "root">[]>`
      select issuer, segment, count, time, root from lot_now where first = ${first}`;
    page.scopes.push({ kind: "lot", subjects: [first] });
    const same =
      lot &&
      lot.issuer === args["issuer"] &&
      lot.segment === args["segment"] &&
      lot.count === count &&
      Number(lot.time) === args["time"] &&
      lot.root === args["root"];
    if (!same)
      page.differences.push({
        kind: "lot",
        subject: first,
        detail: lot ? "its row is not what the chain has" : "it is sealed and has no row",
      });
    // another gateway's lot: its documents are not here
    if (!segment) return;
    const rows = await tx<Invoice[]>`
      select i.number, i.content, i.salt, i.document, i.leaf_holder, i.leaf_buyer, s.state, s.lot,
        s.holder, s.employer, s.titled, s.entry, s.version
      from accepted_now i left join record_now s on s.number = i.number
      where i.number >= ${first} and i.number < ${first}::numeric + ${count} order by i.number`;
    const last = (BigInt(first) + BigInt(count) - 1n).toString();
    for (const kind of ["document", "document-missing"] as const)
      page.scopes.push({ kind, from: first, to: last });
    page.scopes.push({ kind: "leaf", subjects: [first] });
    const suspect = await tx<RowOf<"reconcile_findings", "subject">[]>`
      select subject from reconcile_findings where kind = 'state' and subject >= ${first}
        and subject <= ${last}`;
    for (const { subject } of suspect) touched.add(subject);
    const present = new Set(rows.map((row) => row.number));
    for (let i = 0n; present.size < count && i < BigInt(count); i += 1n) {
      const subject = (BigInt(first) + i).toString();
      if (!present.has(subject))
        page.differences.push({
          kind: "document-missing",
          subject,
          detail: `it is sealed in lot ${first}`,
        });
    }
    for (const row of rows) {
      const difference = compareDocument(row);
      if (difference) page.differences.push(difference);
      const state = compareUntouched(row, first);
      if (state) page.differences.push(state);
      else if (row.version !== 0) touched.add(row.number);
    }
    if (rows.length === count) {
      const { root } = lotTree(
        rows.map((row) =>
          leafHash({ content: row.content, holder: row.leaf_holder, buyer: row.leaf_buyer }),
        ),
      );
      if (root !== args["root"])
        page.differences.push({
          kind: "leaf",
          subject: first,
          detail: `they give ${root}, sealed is ${String(args["root"])}`,
        });
    }
    page.lots += 1;
    page.invoices += rows.length;
  }

  // ── one page ───────────────────────────────────────────────────────────────────────────────────

  async function compareRecords(
    tx: Tx,
    numbers: readonly string[],
    block: number,
    page: Page,
  ): Promise<void> {
    for (let i = 0; i < numbers.length; i += MAX_AT_ONCE) {
      const batch = numbers.slice(i, i + MAX_AT_ONCE);
      const rows = await tx<StateRow[]>`
        select number, state, holder, employer, titled, entry, version, updated_at from record_now
          where number = any(${batch}::numeric[])`;
      const leaves = await tx<RowOf<"accepted_now", "number" | "leaf_holder" | "leaf_buyer">[]>`
        select number, leaf_holder, leaf_buyer from accepted_now
          where number = any(${batch}::numeric[])`;
      const leafOf = new Map(leaves.map((row) => [row.number, row]));
      const byNumber = new Map(rows.map((row) => [row.number, row]));
      page.scopes.push({ kind: "state", subjects: batch });
      const records = await Promise.all(batch.map((number) => ask("record", number, block)));
      for (const [place, number] of batch.entries()) {
        const { holder, employer, state, titled, mark, version, updatedAt } = records[
          place
        ] as Record<string, bigint | string | boolean>;
        const row = byNumber.get(number);
        const leaf = leafOf.get(number);
        // another gateway's invoice; an invoice issued elsewhere has a row at every gateway
        if (!row && !leaf && !isExternal(number)) continue;
        const since = (at: unknown) => ` since ${String(at)}`;
        const untouched = state === 0n;
        const expected = untouched
          ? `issued holder ${leaf?.leaf_holder} employer ${leaf?.leaf_buyer} titled ` +
            `${leaf?.leaf_buyer !== 0} mark 1 version 0`
          : `${recordStates[Number(state)]} holder ${holder} employer ${employer} titled ` +
            `${titled} mark ${mark} version ${version}${since(updatedAt)}`;
        const stored = row
          ? `${row.state} holder ${row.holder} employer ${row.employer} titled ${row.titled} ` +
            `mark ${row.entry} version ` +
            `${row.version}${untouched ? "" : since(row.updated_at.getTime() / 1_000)}`
          : "nothing";
        if (expected !== stored)
          page.differences.push({
            kind: "state",
            subject: number,
            detail: `the chain has ${expected}; its row says ${stored}`,
          });
      }
    }
  }

  /** Compares these blocks. Undefined while the projections have not reached the last of them. */
  async function compare(from: number, to: number): Promise<Page | undefined> {
    const logs = await chain.logs(contracts.addresses, from, to);
    const events = logs
      .map((log) => contracts.event(log))
      .filter((event) => event?.contract === "ledger") as ChainEvent[];
    const page: Page = { differences: [], scopes: [], lots: 0, invoices: 0 };
    const applied = await sql.begin(async (tx) => {
      await tx`set transaction isolation level repeatable read, read only`;
      const [cursor] = await tx<
        RowOf<"chain_now", "block" | "hash">[]
      >`select block, hash from chain_now`;
      if (!cursor || Number(cursor.block) < to) return false;
      const block = Number(cursor.block);
      if ((await chain.block(block))?.hash !== cursor.hash)
        throw new Error("The node has another block at the cursor, or none");
      const sealed = events.filter((event) => event.name === "LotSealed");
      const touched = new Set(
        events
          .filter((event) => event.args["act"] !== undefined && event.name !== "Refused")
          .map((event) => event.args["id"] as string),
      );
      for (let i = 0; i < sealed.length; i += MAX_AT_ONCE) {
        const batch = sealed.slice(i, i + MAX_AT_ONCE);
        const slots = await Promise.all(
          batch.map((event) => ask("lotHash", event.args["first"] as string, block)),
        );
        for (const [place, event] of batch.entries()) {
          const first = event.args["first"] as string;
          page.scopes.push({ kind: "lot-slot", subjects: [first] });
          const header = headerHash(event.args as LotHeader);
          if (slots[place] !== header)
            page.differences.push({
              kind: "lot-slot",
              subject: first,
              detail: `the slot holds ${slots[place]}, the header hashes to ${header}`,
            });
          await compareLot(tx, event, page, touched);
          // hashing occupies this process: let other work run
          await setImmediate();
        }
      }
      const invented = await tx<RowOf<"lot_now", "first">[]>`
        select first from lot_now where block >= ${from} and block <= ${to}
          and first <> all(${sealed.map((event) => event.args["first"] as string)}::numeric[])`;
      for (const { first } of invented)
        page.differences.push({
          kind: "lot",
          subject: first,
          detail: "the chain has no such lot in that block",
        });
      await compareRecords(tx, [...touched], block, page);
      return true;
    });
    return applied ? page : undefined;
  }

  /** Lots and invoices that have not reached the chain, if nothing explains it. */
  async function compareUnsealed(): Promise<Page> {
    const page: Page = { differences: [], scopes: [], lots: 0, invoices: 0 };
    const explained = sql`
      (t.standing is distinct from 'active' or t.capabilities & 1 = 0
        or (select coalesce(bool_or(closed), false) from ledger_now))`;
    const old = sql`now() - ${patienceSeconds} * interval '1 second'`;
    const waiting = await sql<{ first: string; gaps: bigint; late: boolean }[]>`
      select u.segment + u.lotted as first, coalesce(i.accepted_at < ${old}, false)
        and not ${explained} as late,
             u.accepted - u.lotted - (select count(*) from accepted_now j
               where j.number >= u.segment + u.lotted and j.number < u.segment + u.accepted) as gaps
      from segment_waits_now u
      left join lateral (select issuer from segment_now where first = u.segment offset 0) s on true
      left join lateral (select standing, capabilities from taxpayer_now
        where index = s.issuer offset 0) t on true
      left join lateral (select accepted_at from accepted_now
        where number = u.segment + u.lotted offset 0) i on true`;
    for (const { first, gaps, late } of waiting) {
      if (gaps > 0n)
        page.differences.push({
          kind: "document-missing",
          subject: first,
          detail: `of the numbers accepted from here on, ${gaps} have no invoice`,
        });
      if (late)
        page.differences.push({
          kind: "unsealed",
          subject: first,
          detail: "accepted, and no lot takes it",
        });
    }
    const lots = await sql<(RowOf<"operation_now", "status"> & { first: string })[]>`
      select l.first, o.status from operation_now o cross join lateral (select first, issuer
        from sealing_now where operation = o.id offset 0) l
      left join lateral (select standing, capabilities from taxpayer_now
        where index = l.issuer offset 0) t on true
      where o.kind = 'seal' and o.status in ('queued', 'signed', 'sent') and o.created_at < ${old}
        and not ${explained}`;
    for (const { first, status } of lots)
      page.differences.push({
        kind: "unsealed",
        subject: first,
        detail: `its lot's operation is ${status}`,
      });
    page.scopes.push({ kind: "unsealed", from: "0", to: "99999999999999999999" });
    return page;
  }

  /**
   * Lots whose operation has ended without a lot on the chain: looked for once in each sweep, 500
   * at a time.
   */
  async function compareEnded(): Promise<Page> {
    const differences: Difference[] = [];
    for (let [after, more] = ["0", true]; more; ) {
      const page = await sql<{ first: string; status: string; lost: boolean }[]>`
        select l.first, o.status, o.status in ('done', 'refused', 'failed')
          and t.first is null as lost
        from (select first, operation from sealing_now where first > ${after} order by first
          limit 500) l
        cross join lateral (select status from operation_now where id = l.operation offset 0) o
        left join lateral (select first from lot_now where first = l.first offset 0) t on true
          order by l.first`;
      for (const { first, status } of page.filter(({ lost }) => lost))
        differences.push({
          kind: "lot",
          subject: first,
          detail: `its operation is ${status}, and there is no such lot`,
        });
      [after, more] = [page[page.length - 1]?.first ?? after, page.length === 500];
    }
    return { differences, scopes: [], lots: 0, invoices: 0 };
  }

  return { blocks: compare, unsealed: compareUnsealed, ended: compareEnded };
}
