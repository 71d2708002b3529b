/**
 * Near duplicates: invoices that may be of one purchase, though nothing identifies them as one
 * (protocol/ledger/near.ts says by what). One of the two was issued elsewhere. Nothing is refused
 * for it: the employer of both is warned, and the bureau has a finding (external-findings.ts).
 *
 * | what is compared | with | when |
 * | --- | --- | --- |
 * | an external invoice | all external invoices with a claim in force, and the invoices below | it is registered |
 * | an invoice of this network | all external invoices with a claim in force | it is claimed at this gateway; at the bureau's gateway also when the auditor has its document, from whichever gateway |
 *
 * A price that many pay on one day is not a reason to look. So
 *
 * - the name of the buyer alone counts for two employers, or for one claimant: the invoices of one
 *   employer all name the same buyer;
 * - more than `USUAL` documents under a key are a usual price (a canteen's, a fare): they are no
 *   finding, and only a second one of the same employee is a warning;
 * - a key is looked at no further than its first `MOST` documents.
 *
 * A party learns nothing about another party's invoices, not even that there are any: anybody could
 * otherwise ask, by guessing sums, what a competitor buys.
 *
 * Of two that come at the same time the later one sees the earlier one: transactions with a key in
 * common wait for each other. Invoices of this network are not compared among themselves, and do
 * not wait for each other.
 *
 * Owns `near_keys`.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { EXTERNAL, nameOf } from "@onepiao/protocol/ledger/external.ts";
import type { Stated } from "@onepiao/protocol/ledger/identity.ts";
import { type NearKey, nearKeys, type SameName, sameNames } from "@onepiao/protocol/ledger/near.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import { statedBy } from "./external-checks.ts";
import { type Findings, type Side, sideOf } from "./external-findings.ts";
import { openKept } from "./external-kept.ts";

/** So many documents under one key may be of one purchase; more are a usual price. */
export const USUAL = 5;
/** So many documents of a key are looked at. */
const MOST = 50;
/** So many of an employer's own near duplicates are named to it. */
export const NAMED = 5;
/** Keys are locked in so many groups, so that a lot of thousands takes few locks. */
const GROUPS = 64;

/**
 * A registration that is compared. `ids`: on the ledger, under any of which it is the same invoice;
 * `original`: its number where it was issued.
 */
export type NearSubject = {
  ids: readonly string[];
  original: string;
  employer: Taxpayer;
  holder: string;
  stated: Stated;
  buyer: string;
};
/**
 * A near duplicate of the same employer. `invoice`: a number, or the id of an external invoice;
 * `number`: the one it was issued under; `claim`: if it was made at this gateway.
 */
export type NearMatch = {
  invoice: string;
  number: string;
  same: readonly SameName[];
  claim?: string;
};
/** An invoice of this network. */
export type NearInvoice = { number: string; document: InvoiceDocument };
export type Near = ReturnType<typeof createNear>;

/** Whose an invoice is, as far as that is known. */
type Whose = { employer: number | null; holder: string | null };
/** `isEmployee`: the holder is not the employer itself. */
type Own = Whose & { isEmployee: boolean };
type Keyed = NearKey & { blind: Buffer };
/** A document under a key; `place`: of the key among those that were asked for. */
type Row = Whose & { place: number; number: string; claim: string | null; document: Buffer | null };
/** A near duplicate. `side`: what an external invoice says; `usual`: of a usual price. */
type Other = Whose & {
  number: string;
  original: string;
  claim: string | undefined;
  side: Side | undefined;
  same: readonly SameName[];
  day: string;
  usual: boolean;
};
type Deps = { vault: Vault; taxpayers: Taxpayers; findings: Findings };

/** Whether two documents under one key are worth a look. */
function isWorth({ same, usual, ...other }: Other, own: Own): boolean {
  if (own.employer === null || other.employer === null) return !usual && same.includes("seller");
  const oneEmployer = own.employer === other.employer;
  const oneHolder = own.holder === other.holder;
  if (usual) return oneEmployer && oneHolder && own.isEmployee;
  return same.includes("seller") || !oneEmployer || oneHolder;
}

export function createNear({ vault, taxpayers, findings }: Deps) {
  const keyed = (stated: Stated, buyer: string): Keyed[] =>
    nearKeys(stated, buyer).map((key) => ({
      ...key,
      blind: vault.blind("near", key.key).subarray(0, 16),
    }));

  /**
   * Until `tx` ends, no other transaction compares an external invoice under these keys. `shared`:
   * except those that are shared too.
   */
  async function lock(tx: Tx, keys: readonly Keyed[], shared: boolean): Promise<void> {
    const groups = [...new Set(keys.map(({ blind }) => `near/${blind.readUInt8(0) % GROUPS}`))];
    const take = shared ? tx`pg_advisory_xact_lock_shared(k)` : tx`pg_advisory_xact_lock(k)`;
    await tx`
      select ${take} from (
        select distinct hashtextextended(name, 0) as k from unnest(${groups}::text[]) as g (name)
        order by 1) o`;
  }

  async function add(tx: Tx, rows: readonly { blind: Buffer; number: string }[]): Promise<void> {
    await tx`
      insert into near_keys (blind, number)
      select distinct * from unnest(${rows.map(({ blind }) => blind)}::bytea[],
        ${rows.map(({ number }) => number)}::numeric[])
      order by 1, 2 on conflict do nothing`;
  }

  /**
   * The claim in force of `d.number`, with its document if it was issued elsewhere; of several that
   * wait for the chain, the employer's own.
   */
  const claimOf = (tx: Tx, employer: number) => tx`
    select c.id, c.employer, c.holder, e.document
    from claim_invoices i join claims c on c.id = i.claim
    left join external_invoices e on e.claim = c.id
    where i.number = d.number and c.state in ('submitted', 'claimed', 'reimbursed')
    order by c.state = 'submitted', c.employer = ${employer} desc limit 1`;

  /** Those of the documents that are near duplicates of one with some of these keys. */
  function judged(rows: readonly Row[], keys: readonly Keyed[], own: Own): Other[] {
    const sizes: Record<SameName, number> = { seller: 0, buyer: 0 };
    const met = [...Map.groupBy(rows, (row) => row.number).values()].flatMap((all) => {
      const { claim, document, number, employer, holder } = all[0] as Row;
      const kept = claim && document ? openKept(vault, { claim, document }) : undefined;
      // an earlier document of it, which was rejected, may have had other keys
      const its =
        kept && new Set(nearKeys(statedBy(kept), kept.document.buyer.name).map((each) => each.key));
      const common = all
        .map(({ place }) => keys[place] as Keyed)
        .filter(({ key }) => its === undefined || its.has(key));
      const same = sameNames.filter((name) => common.some((key) => key.same === name));
      for (const name of same) sizes[name] += 1;
      return common.slice(0, 1).map(({ day }) => ({
        number,
        original: kept?.number ?? number,
        employer,
        holder,
        claim: claim ?? undefined,
        side: kept && sideOf(statedBy(kept)),
        same,
        day,
      }));
    });
    return met
      .map((each) => ({
        ...each,
        usual: sizes[each.same.includes("seller") ? "seller" : "buyer"] > USUAL,
      }))
      .filter((other) => isWorth(other, own));
  }

  /** The near duplicates of a registration, those with both names first. */
  async function othersOf(tx: Tx, subject: NearSubject, keys: readonly Keyed[]): Promise<Other[]> {
    const { ids, employer, holder } = subject;
    // an invoice that was claimed through another gateway has no claim here, but the chain's record
    const used = tx`s.state in ('claimed', 'reimbursed')`;
    // a copy with other ids of its seller is the same invoice if a claim has an id of both
    const isCopy = tx`exists (
      select 1 from claim_invoices x where x.claim = c.id and x.number = any(${[...ids]}::numeric[]))`;
    const rows = await tx<Row[]>`
      select k.place::int - 1 as place, d.number, c.id as claim, c.document,
        coalesce(c.employer, case when ${used} then s.employer end) as employer,
        coalesce(c.holder, case when ${used} then s.holder end) as holder
      from unnest(${keys.map(({ blind }) => blind)}::bytea[]) with ordinality as k (blind, place)
      cross join lateral (
        select n.number from near_keys n where n.blind = k.blind limit ${MOST}) d
      left join lateral (${claimOf(tx, employer.index)}) c on true
      left join lateral (
        select r.state, r.employer, r.holder from record_now r where r.number = d.number limit 1) s on true
      where d.number <> all(${[...ids]}::numeric[]) and not ${isCopy} and (c.id is not null
        or d.number < ${EXTERNAL.toString()}::numeric and s.state is distinct from 'reversed')`;
    const own = { employer: employer.index, holder, isEmployee: holder !== employer.account };
    return judged(rows, keys, own).sort(
      (a, b) => b.same.length - a.same.length || (a.original < b.original ? -1 : 1),
    );
  }

  const namedOf = (others: readonly Other[], { employer }: NearSubject): NearMatch[] =>
    others
      .filter((other) => other.employer === employer.index)
      .slice(0, NAMED)
      .map(({ number, original, same, claim }) => ({
        invoice: nameOf(number),
        number: original,
        same,
        ...(claim === undefined ? {} : { claim }),
      }));

  /** What an invoice of this network says that has a key in common with a registration. */
  async function sideOfSealed(tx: Tx, { number, day }: Other, stated: Side): Promise<Side> {
    const [segment] = await tx<RowOf<"segment_now", "issuer">[]>`
      select issuer from segment_now where first <= ${number}::numeric order by first desc limit 1`;
    const issuer = segment && (await taxpayers.byIndex(tx, segment.issuer));
    const seller = { name: issuer?.name ?? "", ...(issuer && { taxId: issuer.taxId }) };
    return { ...stated, seller, days: [day] };
  }

  return {
    /** The near duplicates of a registration that are the same employer's. Writes nothing. */
    async look(tx: Tx, subject: NearSubject): Promise<NearMatch[]> {
      const keys = keyed(subject.stated, subject.buyer);
      return keys.length === 0 ? [] : namedOf(await othersOf(tx, subject, keys), subject);
    },

    /**
     * Records a registration by its claim, with a finding for each near duplicate. Returns those
     * that are the same employer's. To be the last step of `tx` that waits for others.
     */
    async register(tx: Tx, subject: NearSubject, claim: string): Promise<NearMatch[]> {
      const { employer, ids, original } = subject;
      const keys = keyed(subject.stated, subject.buyer);
      if (keys.length === 0) return [];
      await lock(tx, keys, false);
      const others = await othersOf(tx, subject, keys);
      const number = ids[0] as string;
      await add(
        tx,
        keys.map(({ blind }) => ({ blind, number })),
      );
      const stated = sideOf(subject.stated);
      for (const other of others.filter(({ usual }) => !usual)) {
        const side = other.side ?? (await sideOfSealed(tx, other, stated));
        await findings.add(tx, employer, {
          kind: "near-duplicate",
          number,
          original,
          differs: [],
          same: other.same,
          ownClaim: claim,
          claim: other.claim,
          stated,
          registered: {
            ...side,
            invoice: other.number,
            number: other.original,
            employer: other.employer ?? undefined,
          },
        });
      }
      return namedOf(others, subject);
    },

    /**
     * Records invoices of this network that are claimed, or whose documents the auditor has, with a
     * finding for each external invoice that is a near duplicate. To be the last step of `tx` that
     * waits for others.
     */
    async record(
      tx: Tx,
      invoices: readonly NearInvoice[],
      claim?: { id: string; employer: number; holder: string },
    ): Promise<void> {
      const keysOf = new Map(
        invoices.map((invoice) => [invoice, keyed(statedBy(invoice), invoice.document.buyer.name)]),
      );
      const keys = [...new Map([...keysOf.values()].flat().map((key) => [key.key, key])).values()];
      if (keys.length === 0) return;
      await lock(tx, keys, true);
      await add(
        tx,
        [...keysOf].flatMap(([{ number }, its]) => its.map(({ blind }) => ({ blind, number }))),
      );
      const rows = await tx<Row[]>`
        select k.place::int - 1 as place, d.number, c.id as claim, c.employer, c.holder, c.document
        from unnest(${keys.map(({ blind }) => blind)}::bytea[]) with ordinality as k (blind, place)
        cross join lateral (
          select a.number, count(*) over () as count from (
            select n.number from near_keys n where n.blind = k.blind limit ${USUAL + 2}) a) d
        cross join lateral (${claimOf(tx, claim?.employer ?? -1)}) c
        where d.number >= ${EXTERNAL.toString()}::numeric and d.count <= ${USUAL + 1}`;
      if (rows.length === 0) return;
      const employers = await taxpayers.byIndexes(
        tx,
        rows.flatMap((row) => row.employer ?? []),
      );
      const own = {
        employer: claim?.employer ?? null,
        holder: claim?.holder ?? null,
        isEmployee: false,
      };
      for (const [invoice, its] of keysOf) {
        const texts = new Set(its.map(({ key }) => key));
        const met = rows.filter(({ place }) => texts.has((keys[place] as Keyed).key));
        const { number } = invoice;
        const side = { ...sideOf(statedBy(invoice)), invoice: number, number };
        for (const other of judged(met, keys, own))
          await findings.add(tx, employers.get(other.employer as number) as Taxpayer, {
            kind: "near-duplicate",
            number: other.number,
            original: other.original,
            differs: [],
            same: other.same,
            ownClaim: other.claim,
            claim: claim?.id,
            stated: other.side as Side,
            registered: { ...side, employer: claim?.employer },
          });
      }
    },
  };
}
