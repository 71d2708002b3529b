/**
 * Invoices: accepting (everything between a read document and a row that will be sealed), reading, listing.
 *
 * Accepted means: number, leaf and encrypted document are one SQL transaction, so a crash leaves either all or nothing, and the
 * sealer takes the number up in its turn. Who may see an invoice: its issuer, its holder, the employer it is titled to or claimed
 * from, and the bureau.
 */
import { randomBytes } from "node:crypto";
import { busy, enqueue } from "../../acts/operations.ts";
import { checksummed, ZERO_ACCOUNT } from "../../chain/contracts.ts";
import { keccak } from "../../chain/tree.ts";
import { announce, type Changes, type Sql, type Tx } from "../../db/db.ts";
import { canonicalJson, type InvoiceDocument } from "../../formats/document.ts";
import type { ReadInvoice } from "../../formats/read.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import { formatMoney, parseMoney } from "../../kernel/money.ts";
import { Problem } from "../../kernel/problems.ts";
import { accountOfSecret } from "../../keys/keystore.ts";
import type { Vault } from "../../keys/vault.ts";
import { periodOf, type Taxpayer, type Taxpayers } from "../taxpayers/taxpayers.ts";

export type InvoiceStatus = "accepted" | "issued" | "claimed" | "reimbursed" | "reversed";
export type InvoiceRow = {
  number: string;
  issuer: number;
  lot: string | null;
  status: InvoiceStatus;
  holder: string;
  employer: number;
  titled: boolean;
  version: number;
  reverses: string | null;
  document: Buffer;
  accepted_at: Date;
  issued_at: Date | null;
  updated_at: Date | null;
};
export type Perspective = "issuer" | "holder" | "employer";
export type Invoices = ReturnType<typeof createInvoices>;

type Deps = { sql: Sql; vault: Vault; taxpayers: Taxpayers; changes: Changes };

const DRAW_PATIENCE_MS = 15_000;
/** Draws that one invoice may begin: a draw that the chain refuses is not tried for ever. */
const MAX_DRAWS = 3;
/** How long an invoice takes to be booked once its quota is drawn. */
const BOOKING_MS = 1_000;

/** Hash that the leaf commits to: keccak256(salt ‖ canonical document). */
export const contentHash = (salt: Uint8Array, canonical: string): string => keccak(Buffer.concat([salt, Buffer.from(canonical)]));

export function createInvoices(deps: Deps) {
  const { vault, taxpayers } = deps;
  const select = (tx: Tx) => tx`
    select i.number, i.issuer, s.lot, coalesce(s.state, 'accepted') as status, coalesce(s.holder, i.leaf_holder) as holder,
           coalesce(s.employer, i.leaf_buyer) as employer, i.leaf_buyer <> 0 as titled, coalesce(s.version, 0) as version,
           i.reverses, i.document, i.accepted_at, s.issued_at, s.updated_at
    from invoices i left join invoice_states s on s.number = i.number`;

  const documentOf = (row: { number: string; document: Buffer }): InvoiceDocument => JSON.parse(vault.open("documents", row.number, row.document).toString());

  async function find(tx: Tx, number: string): Promise<InvoiceRow | undefined> {
    return (await tx<InvoiceRow[]>`${select(tx)} where i.number = ${number}`)[0];
  }

  /** The pickup key's secret of an untitled invoice that was issued without a holder: follows from the number, so it is not stored. */
  const pickupSecret = (number: string) => `0x${vault.derive("documents", `pickup/${number}`).toString("hex")}`;

  async function issuerOf(tx: Tx, caller: Caller, document: InvoiceDocument): Promise<Taxpayer> {
    const seller = await taxpayers.byTaxId(tx, document.seller.taxId);
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
    return seller;
  }

  async function buyerOf(tx: Tx, document: InvoiceDocument): Promise<Taxpayer | undefined> {
    if (document.buyer.taxId === undefined) return undefined;
    const buyer = await taxpayers.byTaxId(tx, document.buyer.taxId);
    if (buyer) return buyer;
    throw new Problem("buyer-not-enrolled", "No enrolled taxpayer has the buyer's tax id, so nobody could reimburse this invoice", {
      violations: [{ field: "/buyer/taxId", rule: "buyer-enrolled", detail: "Let the bureau enrol it, or leave the tax id out for an untitled invoice" }],
    });
  }

  const sourceBlind = (issuer: Taxpayer, sourceId: string) => vault.blind("source-id", `${issuer.taxId}\0${sourceId}`);

  /** The invoice that a red letter names: the issuer's own, sealed, unused, not reversed yet, and of the same amount and buyer. */
  async function reversedBy(tx: Tx, issuer: Taxpayer, document: InvoiceDocument): Promise<InvoiceRow | undefined> {
    const { reverses } = document;
    if (!reverses) return undefined;
    const refuse = (rule: string, detail: string, extra: Record<string, unknown> = {}): Problem =>
      new Problem("red-letter-refused", detail, { violations: [{ field: "/reverses", rule, detail }], extra });
    const named = reverses.number === undefined ? tx`i.source_blind = ${sourceBlind(issuer, reverses.sourceId ?? "")}` : tx`i.number = ${reverses.number}`;
    const [known] = await tx<{ number: string }[]>`select i.number from invoices i where i.issuer = ${issuer.index} and ${named}`;
    if (!known) throw refuse("original-unknown", "This issuer has issued no such invoice here");
    // one red letter at a time decides on an original, and no claim of it begins meanwhile
    await tx`select 1 from invoices where number = ${known.number} for update`;
    const [other] = await tx<{ number: string }[]>`select number from invoices where reverses = ${known.number}`;
    if (other) throw refuse("original-reversed", "The invoice has its red letter already", { original: { number: other.number, state: "reversed" } });
    if (await busy(tx, [known.number])) throw new Problem("invoice-busy", "Another act on the invoice to reverse waits for its outcome");
    // read only now: what was busy a moment ago has left its state behind
    const original = (await find(tx, known.number)) as InvoiceRow;
    if (original.status === "accepted") throw new Problem("invoice-not-sealed", "The invoice to reverse is not sealed yet");
    if (original.status !== "issued") {
      throw refuse("original-in-use", `The invoice is ${original.status}; its employer must consent`, {
        original: { number: original.number, state: original.status },
      });
    }
    const before = documentOf(original);
    if (before.buyer.taxId !== document.buyer.taxId) throw refuse("same-buyer", "A red letter has the buyer of the invoice that it reverses");
    if (parseMoney(before.totals.gross) !== -parseMoney(document.totals.gross)) {
      throw refuse("whole-amount", `The red letter must take back the whole amount, ${before.totals.gross}`);
    }
    return original;
  }

  async function nextNumber(tx: Tx, issuer: Taxpayer): Promise<{ number: string; segment: string }> {
    const segments = await tx<{ first: string; length: bigint }[]>`
      select s.first, s.length from segments s left join segment_use u on u.segment = s.first
      where s.issuer = ${issuer.index} and coalesce(u.accepted, 0) < s.length order by s.first limit 2`;
    for (const { first, length } of segments) {
      await tx`insert into segment_use (segment) values (${first}) on conflict do nothing`;
      const [row] = await tx<{ accepted: bigint }[]>`
        update segment_use set accepted = accepted + 1 where segment = ${first} and accepted < ${length} returning accepted`;
      if (row) return { number: (BigInt(first) + row.accepted - 1n).toString(), segment: first };
    }
    throw new Problem("no-segment", "The bureau has allotted this issuer no numbers that are still free");
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
      const change = changes.wait(250);
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

  return {
    find,
    documentOf,
    pickupSecret,

    /**
     * Accepts an invoice: throws a Problem and leaves nothing behind, or returns the number that it will be sealed under.
     * @param holder Account of the first holder, from beside the document.
     */
    async accept(tx: Tx, caller: Caller, read: ReadInvoice, holder: string | undefined): Promise<{ number: string }> {
      const { document, source } = read;
      const issuer = await issuerOf(tx, caller, document);
      const blind = document.sourceId === undefined ? null : sourceBlind(issuer, document.sourceId);
      if (blind) {
        // one at a time decides whether an original is new
        await tx`select pg_advisory_xact_lock(${blind.readBigInt64BE()})`;
        const [original] = await tx<InvoiceRow[]>`${select(tx)} where i.issuer = ${issuer.index} and i.source_blind = ${blind}`;
        if (original) {
          throw new Problem("duplicate-source", `The original was issued as ${original.number}`, {
            extra: { original: { number: original.number, state: original.status, href: `/v1/invoices/${original.number}` } },
          });
        }
      }
      const named = holder === undefined ? undefined : checksummed(holder);
      if (named === ZERO_ACCOUNT) {
        const detail = "Nobody can sign for the zero address";
        throw new Problem("zero-address", detail, { violations: [{ field: "/holder", rule: "not-zero", detail }] });
      }
      const buyer = await buyerOf(tx, document);
      const original = await reversedBy(tx, issuer, document);
      const period = periodOf(new Date());
      const gross = parseMoney(document.totals.gross);
      if (!(await taxpayers.book(tx, issuer, period, gross))) {
        throw new Problem("quota-not-drawn", `The quota drawn does not cover ${formatMoney(gross)}; more is being drawn`, {
          remedy: drawAndWait(issuer, period, gross),
        });
      }
      const { number, segment } = await nextNumber(tx, issuer);
      const salt = randomBytes(32);
      const canonical = canonicalJson(document);
      // a red letter belongs to nobody: no act can be made on it
      const leafHolder = original ? ZERO_ACCOUNT : (named ?? buyer?.account ?? accountOfSecret(pickupSecret(number)));
      await tx`
        insert into invoices (number, issuer, segment, content, salt, leaf_holder, leaf_buyer, source_blind, reverses, document, source)
        values (${number}, ${issuer.index}, ${segment}, ${contentHash(salt, canonical)}, ${salt}, ${leafHolder}, ${buyer?.index ?? 0}, ${blind},
                ${original?.number ?? null}, ${vault.seal("documents", number, canonical)},
                ${source ? vault.seal("documents", `${number}/source`, source.text) : null})`;
      if (original) {
        await enqueue(tx, {
          kind: "reverse",
          party: issuer.account,
          command: {
            type: "act",
            kind: "Reverse",
            taxpayer: issuer.index,
            ref: `0x${BigInt(number).toString(16).padStart(64, "0")}`,
            invoices: [original.number],
          },
          signers: [issuer.account],
        });
      }
      await announce(tx);
      return { number };
    },

    /** Until `tx` ends, no red letter for these invoices is accepted: it would not know of what `tx` is about to do with them. */
    async hold(tx: Tx, numbers: readonly string[]): Promise<void> {
      await tx`select 1 from invoices where number = any(${[...numbers]}::numeric[]) order by number for share`;
    },

    /** The invoice, if the caller is one of its parties, with a key for that role, or the bureau. */
    async visible(tx: Tx, caller: Caller, number: string): Promise<InvoiceRow> {
      const row = await find(tx, number);
      const may = (role: Role) => caller.roles.includes(role);
      if (row && (may("bureau") || (may("holder") && row.holder === caller.account))) return row;
      const self = row && (await taxpayers.byAccount(tx, caller.account));
      if (row && self && ((may("issuer") && row.issuer === self.index) || (may("employer") && row.employer === self.index))) return row;
      throw new Problem("not-found", `There is no invoice ${number} that you are a party of`);
    },

    /** Text of the XML original, byte for byte; undefined when it came as JSON. */
    async sourceOf(tx: Tx, number: string): Promise<string | undefined> {
      const [row] = await tx<{ source: Buffer | null }[]>`select source from invoices where number = ${number}`;
      return row?.source ? vault.open("documents", `${number}/source`, row.source).toString() : undefined;
    },

    async list(
      tx: Tx,
      caller: Caller,
      filter: { as: Perspective; status?: InvoiceStatus | undefined; after?: string | undefined; limit: number },
    ): Promise<InvoiceRow[]> {
      const self = await taxpayers.byAccount(tx, caller.account);
      const index = self?.index ?? -1;
      const mine = caller.roles.includes("bureau")
        ? tx`true`
        : filter.as === "issuer"
          ? tx`i.issuer = ${index}`
          : filter.as === "employer"
            ? tx`s.employer = ${index}`
            : tx`(s.holder = ${caller.account} or (s.number is null and i.leaf_holder = ${caller.account}))`;
      return tx<InvoiceRow[]>`
        ${select(tx)} where ${mine}
          and ${filter.status === undefined ? tx`true` : tx`coalesce(s.state, 'accepted') = ${filter.status}`}
          and ${filter.after === undefined ? tx`true` : tx`i.number > ${filter.after}`}
        order by i.number limit ${filter.limit}`;
    },

    async history(tx: Tx, number: string) {
      return tx<{ position: bigint; type: string; data: Record<string, unknown>; at: Date; tx: string }[]>`
        select position, type, data, at, tx from feed where number = ${number} order by position limit 1000`;
    },
  };
}
