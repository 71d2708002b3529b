/**
 * The desk: gives a draft its number and books its quota, in memory, and writes all accepted
 * invoices of a transaction in one statement per table.
 *
 * A desk holds what a transaction decides with: the issuers' quotas (held until it ends), the
 * originals that were issued before, the free numbers. A refusal takes nothing from it.
 */
import { randomBytes } from "node:crypto";
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { formatMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { acceptInvoices } from "../../accepted/accepting.ts";
import { ZERO_ACCOUNT } from "../../chain/contracts.ts";
import type { Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { accountOfSecret } from "../../keys/keystore.ts";
import type { HeldQuota } from "../parties/quotas.ts";
import type { Documents } from "./documents.ts";
import type { Draft } from "./drafts.ts";
import type { Draws } from "./draws.ts";
import { type Invoices, type Original, sourceKey } from "./invoices.ts";

/** A run of free numbers of a segment. */
type Free = { segment: string; next: bigint; left: bigint };
/**
 * An invoice with its number. `pickup`: the secret of the one-time key that an untitled invoice
 * without a holder is sealed to. `salt`: for a red letter, whose content was signed before it had a
 * number.
 */
export type NumberedInvoice = Draft & {
  number: string;
  segment: string;
  reverses: string | null;
  pickup: string | undefined;
  salt?: Buffer;
};

export type Desk = {
  period: number;
  quotas: Map<number, HeldQuota>;
  /** Originals issued before, by issuer and blind. */
  issued: Map<string, Original>;
  free: Map<number, Free[]>;
};

type Deps = { documents: Documents; invoices: Invoices; draws: Draws };
export type Desks = ReturnType<typeof createDesks>;

/**
 * The issuers' segments with free numbers, lowest first, as many as could be needed. Full segments
 * are skipped.
 */
async function freeNumbers(tx: Tx, drafts: readonly Draft[]): Promise<Map<number, Free[]>> {
  const groups = Map.groupBy(drafts, (draft) => draft.issuer.index);
  const rows = await tx<
    (RowOf<"segment_free", "issuer"> &
      RowOf<"segment_now", "first" | "length"> &
      RowOf<"segment_accepted_now", "accepted">)[]
  >`
    select w.issuer, f.first, f.length, f.accepted
    from unnest(${[...groups.keys()]}::int[], ${[...groups.values()].map((group) => group.length)}::int[]) as w (issuer, count),
    lateral (
      select s.first, s.length, coalesce(u.accepted, 0) as accepted
      from (select first from segment_free where issuer = w.issuer order by first limit w.count + 1) n
      cross join lateral (select first, length from segment_now where first = n.first offset 0) s
      left join segment_accepted_now u on u.segment = n.first where coalesce(u.accepted, 0) < s.length order by s.first limit w.count
    ) f order by w.issuer, f.first`;
  const free = new Map<number, Free[]>();
  for (const { issuer, first, length, accepted } of rows) {
    const segments = free.get(issuer) ?? [];
    segments.push({ segment: first, next: BigInt(first) + accepted, left: length - accepted });
    free.set(issuer, segments);
  }
  return free;
}

/**
 * The account that an invoice is sealed to. A red letter belongs to nobody: it takes part in no
 * act.
 */
const leafHolder = ({ reverses, holder, buyer, pickup }: NumberedInvoice) =>
  pickup !== undefined
    ? accountOfSecret(pickup)
    : reverses !== null
      ? ZERO_ACCOUNT
      : ((holder ?? buyer?.account) as string);

export function createDesks({ documents, invoices, draws }: Deps) {
  /**
   * `decide` without the check that the original is new. `red`: the draft is a red letter over this
   * invoice, and its content was signed with this salt.
   */
  function take(
    draft: Draft,
    desk: Desk,
    red?: { reverses: string; salt: Buffer },
  ): NumberedInvoice {
    const { issuer, gross, source } = draft;
    const run = desk.free.get(issuer.index)?.find(({ left }) => left > 0n);
    if (!run)
      throw new Problem(
        "no-segment",
        "The bureau has allotted this issuer no numbers that are still free",
      );
    const booked =
      desk.quotas.get(issuer.index)?.book(gross) ??
      new Problem("issuer-not-active", "The issuer is not enrolled");
    if (booked instanceof Problem) throw booked;
    if (booked === "not-drawn") {
      throw new Problem(
        "quota-not-drawn",
        `The quota drawn does not cover ${formatMoney(gross)}; more is being drawn`,
        {
          remedy: () => draws.cover(draft, desk.period),
        },
      );
    }
    const number = run.next.toString();
    run.next += 1n;
    run.left -= 1n;
    if (draft.course) draft.course.gross += gross;
    if (source)
      desk.issued.set(sourceKey(issuer.index, source), {
        number,
        state: "accepted",
        document: () => draft.document,
      });
    const toNobody = red === undefined && draft.holder === undefined && draft.buyer === undefined;
    const pickup = toNobody ? invoices.pickupSecret(number) : undefined;
    return { ...draft, number, segment: run.segment, reverses: null, ...red, pickup };
  }

  return {
    /** `fresh`: the drafts whose originals must be new. */
    async open(
      tx: Tx,
      drafts: readonly Draft[],
      { period, quotas, fresh }: Pick<Desk, "period" | "quotas"> & { fresh: readonly Draft[] },
    ): Promise<Desk> {
      const sources = fresh.flatMap(({ issuer, source }) =>
        source === null ? [] : [{ issuer: issuer.index, blind: source }],
      );
      const issued = await invoices.issuedBefore(tx, sources);
      return { period, quotas, issued, free: await freeNumbers(tx, drafts) };
    },

    /** Throws the refusal of an invoice; nothing is taken then. */
    decide(draft: Draft, desk: Desk): NumberedInvoice {
      const { issuer, source } = draft;
      const original = source && desk.issued.get(sourceKey(issuer.index, source));
      if (original) throw invoices.duplicate(original, draft.document);
      return take(draft, desk);
    },

    take,

    /** Writes the accepted invoices of a desk. */
    async write(
      tx: Tx,
      rows: readonly NumberedInvoice[],
      { free }: Pick<Desk, "free">,
    ): Promise<void> {
      const accepted = rows.map((row) => {
        const salt = row.salt ?? randomBytes(32);
        return {
          number: row.number,
          issuer: row.issuer.index,
          segment: row.segment,
          content: contentHash(salt, row.document),
          salt,
          holder: leafHolder(row),
          buyer: row.buyer?.index ?? 0,
          sourceBlind: row.source,
          reverses: row.reverses,
          document: documents.seal(row.number, canonicalJson(row.document)),
          source:
            row.sourceBytes === undefined
              ? null
              : documents.sealSource(row.number, row.sourceBytes),
          fileBlinds: invoices.fileBlinds(row.document),
        };
      });
      await acceptInvoices(tx, accepted);
      const full = [...free].flatMap(([issuer, runs]) =>
        runs.filter((run) => run.left === 0n).map(({ segment }) => ({ issuer, segment })),
      );
      if (full.length === 0) return;
      await tx`
        delete from segment_free f using unnest(${full.map((run) => run.issuer)}::int[], ${full.map((run) => run.segment)}::numeric[]) as n (issuer, first)
        where f.issuer = n.issuer and f.first = n.first`;
    },
  };
}
