/**
 * Issuing: everything between a read document and a row that will be sealed.
 *
 * Accepted means: number, leaf and encrypted document are one SQL transaction, so a crash leaves either all or nothing, and the
 * sealer takes the number up in its turn. Invoices that come at once are accepted in one transaction (kernel/api.ts, Together).
 * Each step of it is one statement for all of them:
 *
 *   parties → hold the issuers' quotas → originals issued before → free numbers → decide, one by one, in memory → write
 *
 * The issuers' quotas are held first and until the transaction ends, so one transaction at a time decides for an issuer: whether
 * an original is new, what quota is left, which number is next. A refusal is decided before anything is written.
 */
import { randomBytes } from "node:crypto";
import { busy, enqueue } from "../../acts/operations.ts";
import { checksummed, refOf, ZERO_ACCOUNT } from "../../chain/contracts.ts";
import { announce, type Changes, type Sql, type Tx } from "../../db/db.ts";
import { canonicalJson, type InvoiceDocument } from "../../formats/document.ts";
import type { ReadInvoice } from "../../formats/read.ts";
import type { Caller } from "../../kernel/api.ts";
import { formatMoney, parseMoney } from "../../kernel/money.ts";
import { Problem } from "../../kernel/problems.ts";
import { normaliseTaxId } from "../../kernel/tax-id.ts";
import { accountOfSecret } from "../../keys/keystore.ts";
import type { Vault } from "../../keys/vault.ts";
import { contentHash } from "../../proofs/parts.ts";
import type { Documents } from "../documents/documents.ts";
import type { InvoiceStatus, Invoices } from "../invoices/invoices.ts";
import { type HeldQuota, periodOf, type Taxpayer, type Taxpayers } from "../taxpayers/taxpayers.ts";

type Deps = { sql: Sql; vault: Vault; documents: Documents; taxpayers: Taxpayers; invoices: Invoices; changes: Changes };
export type Issuing = ReturnType<typeof createIssuing>;

/** One invoice to be issued. `holder`: account of the first holder, from beside the document. */
export type Wanted = { caller: Caller; read: ReadInvoice; holder: string | undefined };

export type Accepted = { number: string; pickup: string | undefined };

const DRAW_PATIENCE_MS = 15_000;
/** Draws that one invoice may begin: a draw that the chain refuses is not tried for ever. */
const MAX_DRAWS = 3;
/** How long an invoice takes to be booked once its quota is drawn. */
const BOOKING_MS = 1_000;

/** An invoice whose parties are known. */
type Draft = {
  document: InvoiceDocument;
  issuer: Taxpayer;
  buyer: Taxpayer | undefined;
  holder: string | undefined;
  gross: bigint;
  /** Keyed hash of the original's id. */
  source: Buffer | null;
  sourceText: string | undefined;
};
type Original = { number: string; state: InvoiceStatus };
/** A run of free numbers of a segment. */
type Free = { segment: string; next: bigint; left: bigint };
/** `pickup`: the secret of the one-time key that an invoice to nobody in particular is sealed to. */
type Row = Draft & { number: string; segment: string; reverses: string | null; pickup: string | undefined };

/** What a group's decisions are made on, and what they leave for the next one. */
type Desk = {
  quotas: Map<number, HeldQuota>;
  /** Originals issued before, by issuer and blind. */
  issued: Map<string, Original>;
  free: Map<number, Free[]>;
  /** Invoices that a red letter of this group takes back. */
  reversing: Set<string>;
};

const sourceKey = (issuer: number, blind: Buffer) => `${issuer}/${blind.toString("base64")}`;

const duplicate = ({ number, state }: Original) =>
  new Problem("duplicate-source", `The original was issued as ${number}`, { extra: { original: { number, state, href: `/v1/invoices/${number}` } } });

export function createIssuing(deps: Deps) {
  const { vault, documents, taxpayers, invoices } = deps;
  const sourceBlind = (issuer: Taxpayer, sourceId: string) => vault.blind("source-id", `${issuer.taxId}\0${sourceId}`);

  // ── who ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  function draftOf({ caller, read, holder }: Wanted, parties: Awaited<ReturnType<Taxpayers["among"]>>): Draft {
    const { document, source } = read;
    const byTaxId = (taxId: string) => parties.byTaxId.get(normaliseTaxId(taxId));
    const seller = byTaxId(document.seller.taxId);
    if (!seller || seller.account !== caller.account) {
      throw new Problem("seller-not-caller", "The seller's tax id is not that of the API key's taxpayer", {
        violations: [{ field: "/seller/taxId", rule: "seller-is-caller", detail: "An issuer issues its own invoices" }],
      });
    }
    if (seller.standing !== "active" || !seller.capabilities.includes("issuer"))
      throw new Problem("issuer-not-active", "The issuer is suspended or not enrolled as one");
    if (seller.currency !== document.currency) {
      throw new Problem("currency-not-accounted", `The issuer accounts and draws quota in ${seller.currency}`, {
        violations: [{ field: "/currency", rule: "currency-of-issuer", detail: `Expected ${seller.currency}` }],
      });
    }
    const buyer = document.buyer.taxId === undefined ? undefined : byTaxId(document.buyer.taxId);
    if (document.buyer.taxId !== undefined && !buyer) {
      throw new Problem("buyer-not-enrolled", "No enrolled taxpayer has the buyer's tax id, so nobody could reimburse this invoice", {
        violations: [{ field: "/buyer/taxId", rule: "buyer-enrolled", detail: "Let the bureau enrol it, or leave the tax id out for an untitled invoice" }],
      });
    }
    const named = holder === undefined ? undefined : checksummed(holder);
    if (named === ZERO_ACCOUNT) {
      const detail = "Nobody can sign for the zero address";
      throw new Problem("zero-address", detail, { violations: [{ field: "/holder", rule: "not-zero", detail }] });
    }
    return {
      document,
      issuer: seller,
      buyer,
      holder: named,
      gross: parseMoney(document.totals.gross),
      source: document.sourceId === undefined ? null : sourceBlind(seller, document.sourceId),
      sourceText: source?.text,
    };
  }

  // ── what is left ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Which of the originals were issued before. */
  async function issuedBefore(tx: Tx, drafts: readonly Draft[]): Promise<Map<string, Original>> {
    const named = drafts.filter((draft) => draft.source !== null);
    if (named.length === 0) return new Map();
    const rows = await tx<(Original & { issuer: number; source_blind: Buffer })[]>`
      select i.number, i.issuer, i.source_blind, coalesce(s.state, 'accepted') as state
      from unnest(${named.map((draft) => draft.issuer.index)}::int[], ${named.map((draft) => draft.source)}::bytea[]) as w (issuer, blind)
      join invoices i on i.issuer = w.issuer and i.source_blind = w.blind left join invoice_states s on s.number = i.number`;
    return new Map(rows.map(({ issuer, source_blind, number, state }) => [sourceKey(issuer, source_blind), { number, state }]));
  }

  /** The issuers' segments with free numbers, lowest first; as many as could be needed. */
  async function freeNumbers(tx: Tx, drafts: readonly Draft[]): Promise<Map<number, Free[]>> {
    const wanted = Map.groupBy(drafts, (draft) => draft.issuer.index);
    const rows = await tx<{ issuer: number; first: string; length: bigint; accepted: bigint }[]>`
      select w.issuer, f.first, f.length, f.accepted
      from unnest(${[...wanted.keys()]}::int[], ${[...wanted.values()].map((of) => of.length)}::int[]) as w (issuer, count),
      lateral (
        select s.first, s.length, coalesce(u.accepted, 0) as accepted from segments s left join segment_accepted u on u.segment = s.first
        where s.issuer = w.issuer and coalesce(u.accepted, 0) < s.length order by s.first limit w.count
      ) f order by w.issuer, f.first`;
    const free = new Map<number, Free[]>();
    for (const { issuer, first, length, accepted } of rows) {
      const segments = free.get(issuer) ?? [];
      segments.push({ segment: first, next: BigInt(first) + accepted, left: length - accepted });
      free.set(issuer, segments);
    }
    return free;
  }

  // ── decide ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The invoice that a red letter names: the issuer's own, sealed, unused, not reversed yet, and of the same amount and buyer. */
  async function reversedBy(tx: Tx, { issuer, document }: Draft, desk: Desk): Promise<string | null> {
    const { reverses } = document;
    if (!reverses) return null;
    const refuse = (rule: string, detail: string, extra: Record<string, unknown> = {}): Problem =>
      new Problem("red-letter-refused", detail, { violations: [{ field: "/reverses", rule, detail }], extra });
    const named = reverses.number === undefined ? tx`i.source_blind = ${sourceBlind(issuer, reverses.sourceId ?? "")}` : tx`i.number = ${reverses.number}`;
    const [known] = await tx<{ number: string }[]>`select i.number from invoices i where i.issuer = ${issuer.index} and ${named}`;
    if (!known) throw refuse("original-unknown", "This issuer has issued no such invoice here");
    // one red letter at a time decides on an original, and no claim of it begins meanwhile
    await tx`select 1 from invoices where number = ${known.number} for update`;
    const [other] = await tx<{ number: string }[]>`select number from invoices where reverses = ${known.number}`;
    if (desk.reversing.has(known.number)) throw refuse("original-reversed", "Another red letter for the invoice comes with this one");
    if (other) throw refuse("original-reversed", "The invoice has its red letter already", { original: { number: other.number, state: "reversed" } });
    if (await busy(tx, [known.number])) throw new Problem("invoice-busy", "Another act on the invoice to reverse waits for its outcome");
    // read only now: what was busy a moment ago has left its state behind
    const original = await invoices.find(tx, known.number);
    if (!original) throw refuse("original-unknown", "This issuer has issued no such invoice here");
    if (original.status === "accepted") throw new Problem("invoice-not-sealed", "The invoice to reverse is not sealed yet");
    if (original.status !== "issued") {
      throw refuse("original-in-use", `The invoice is ${original.status}; its employer must consent`, {
        original: { number: original.number, state: original.status },
      });
    }
    const before = invoices.documentOf(original);
    if (before.buyer.taxId !== document.buyer.taxId) throw refuse("same-buyer", "A red letter has the buyer of the invoice that it reverses");
    if (parseMoney(before.totals.gross) !== -parseMoney(document.totals.gross)) {
      throw refuse("whole-amount", `The red letter must take back the whole amount, ${before.totals.gross}`);
    }
    return original.number;
  }

  /** Gross of the invoices that wait for quota, by issuer: what is drawn is enough for all of them. */
  const wanting = new Map<string, Set<{ gross: bigint }>>();

  /** Draws what an invoice needs, and those that wait beside it, and waits until the chain has it. */
  const drawAndWait = (issuer: Taxpayer, period: number, gross: bigint) => async (): Promise<void> => {
    const { sql, changes } = deps;
    const waiting = wanting.get(issuer.account) ?? new Set();
    wanting.set(issuer.account, waiting);
    const own = { gross };
    waiting.add(own);
    let draws = 0;
    for (const end = Date.now() + DRAW_PATIENCE_MS; Date.now() < end && draws < MAX_DRAWS; ) {
      const change = changes.wait(250, "block", "outcome");
      const all = [...waiting].reduce((sum, one) => sum + one.gross, 0n);
      const drawing = await sql.begin((tx) => taxpayers.drawAhead(tx, issuer, period, all));
      if (drawing === undefined) break;
      if (drawing === "begun") draws += 1;
      await change;
    }
    // it is booked only after this, and until then the others must not count on its part
    setTimeout(() => {
      waiting.delete(own);
      if (waiting.size === 0) wanting.delete(issuer.account);
    }, BOOKING_MS).unref();
  };

  /** The row of an invoice, taken off what is left; throws its refusal, with nothing taken. */
  async function decide(tx: Tx, draft: Draft, period: number, desk: Desk): Promise<Row> {
    const { issuer, gross, source } = draft;
    const original = source && desk.issued.get(sourceKey(issuer.index, source));
    if (original) throw duplicate(original);
    const reverses = await reversedBy(tx, draft, desk);
    const run = desk.free.get(issuer.index)?.find((one) => one.left > 0n);
    if (!run) throw new Problem("no-segment", "The bureau has allotted this issuer no numbers that are still free");
    const booked = desk.quotas.get(issuer.index)?.book(gross) ?? new Problem("issuer-not-active", "The issuer is not enrolled");
    if (booked instanceof Problem) throw booked;
    if (booked === "not-drawn") {
      throw new Problem("quota-not-drawn", `The quota drawn does not cover ${formatMoney(gross)}; more is being drawn`, {
        remedy: drawAndWait(issuer, period, gross),
      });
    }
    const number = run.next.toString();
    run.next += 1n;
    run.left -= 1n;
    if (source) desk.issued.set(sourceKey(issuer.index, source), { number, state: "accepted" });
    if (reverses !== null) desk.reversing.add(reverses);
    const toNobody = reverses === null && draft.holder === undefined && draft.buyer === undefined;
    return { ...draft, number, segment: run.segment, reverses, pickup: toNobody ? invoices.pickupSecret(number) : undefined };
  }

  // ── write ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The account that an invoice is sealed to. A red letter belongs to nobody: no act can be made on it. */
  const leafHolder = ({ reverses, holder, buyer, pickup }: Row) =>
    pickup !== undefined ? accountOfSecret(pickup) : reverses !== null ? ZERO_ACCOUNT : ((holder ?? buyer?.account) as string);

  async function write(tx: Tx, rows: readonly Row[]): Promise<void> {
    const sealed = rows.map((row) => {
      const salt = randomBytes(32);
      return {
        salt,
        content: contentHash(salt, row.document),
        document: documents.seal(row.number, canonicalJson(row.document)),
        source: row.sourceText === undefined ? null : documents.sealSource(row.number, row.sourceText),
      };
    });
    await tx`
      insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, source_blind, reverses, document, source)
      select * from unnest(
        ${rows.map((row) => row.number)}::numeric[], ${rows.map((row) => row.issuer.index)}::int[], ${rows.map((row) => row.segment)}::numeric[],
        ${sealed.map((one) => one.content)}::text[], ${sealed.map((one) => one.salt)}::bytea[], ${rows.map(leafHolder)}::text[],
        ${rows.map((row) => row.buyer?.index ?? 0)}::int[], ${rows.map((row) => row.source)}::bytea[], ${rows.map((row) => row.reverses)}::numeric[],
        ${sealed.map((one) => one.document)}::bytea[], ${sealed.map((one) => one.source)}::bytea[])`;
    const taken = [...Map.groupBy(rows, (row) => row.segment)];
    await tx`
      insert into segment_accepted (segment, accepted)
      select * from unnest(${taken.map(([segment]) => segment)}::numeric[], ${taken.map(([, of]) => of.length)}::bigint[])
      on conflict (segment) do update set accepted = segment_accepted.accepted + excluded.accepted`;
    for (const { number, issuer, reverses } of rows) {
      if (reverses === null) continue;
      await enqueue(tx, {
        kind: "reverse",
        party: issuer.account,
        command: { type: "act", kind: "Reverse", taxpayer: issuer.index, ref: refOf(number), invoices: [reverses] },
        signers: [issuer.account],
      });
    }
    await announce(tx, "accepted");
  }

  return {
    /**
     * Accepts invoices: for each the number that it will be sealed under, or its refusal, which leaves nothing behind. `pickup`: the
     * secret that takes it over, for an untitled invoice without a holder.
     */
    async accept(tx: Tx, group: readonly Wanted[]): Promise<(Accepted | Problem)[]> {
      const results: (Accepted | Problem)[] = [];
      const attempt = async <T>(place: number, work: () => T | Promise<T>): Promise<T | undefined> => {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          results[place] = error;
          return undefined;
        }
      };
      const taxIds = group.flatMap(({ read: { document } }) => [document.seller.taxId, ...(document.buyer.taxId === undefined ? [] : [document.buyer.taxId])]);
      const parties = await taxpayers.among(tx, [], [...new Set(taxIds)]);
      const drafts: { place: number; draft: Draft }[] = [];
      for (const [place, wanted] of group.entries()) {
        const draft = await attempt(place, () => draftOf(wanted, parties));
        if (draft) drafts.push({ place, draft });
      }
      if (drafts.length === 0) return results;
      const period = periodOf(new Date());
      const all = drafts.map(({ draft }) => draft);
      const quotas = await taxpayers.holdQuotas(
        tx,
        all.map((draft) => draft.issuer),
        period,
      );
      const desk: Desk = { quotas, issued: await issuedBefore(tx, all), free: await freeNumbers(tx, all), reversing: new Set() };
      const rows: Row[] = [];
      for (const { place, draft } of drafts) {
        const row = await attempt(place, () => decide(tx, draft, period, desk));
        if (!row) continue;
        rows.push(row);
        results[place] = { number: row.number, pickup: row.pickup };
      }
      if (rows.length > 0) await write(tx, rows);
      await taxpayers.keepQuotas(tx, period, quotas);
      return results;
    },
  };
}
