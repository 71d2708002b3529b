import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { type Amounts, leftOf } from "@onepiao/protocol/formats/red-letter.ts";
import { isExternal } from "@onepiao/protocol/ledger/external.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { momentOf, type Query, type Tx } from "../../db/db.ts";
import { type Candidate, LOOK, pageOf } from "../../db/lists.ts";
import type { Caller, Role } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import type { Documents } from "./documents.ts";

export const invoiceStatuses = ["accepted", "issued", "claimed", "reimbursed", "reversed"] as const;
export type InvoiceStatus = (typeof invoiceStatuses)[number];
export type InvoiceRow = {
  number: string;
  issuer: number;
  lot: string | null;
  status: InvoiceStatus;
  holder: string;
  /** To whom it was sealed. */
  leaf_holder: string;
  employer: number;
  titled: boolean;
  version: number;
  /** Mark of book entry, as mirror/entries.ts reads it. */
  entry: number;
  reverses: string | null;
  salt: Buffer;
  document: Buffer;
  accepted_at: Date;
  issued_at: Date | null;
  updated_at: Date | null;
};
/**
 * What the issuer's own id of an original is known by already. `number`: of the invoice; none while
 * a red letter keeps the id for it.
 */
export type Original = { number: string | null; state: InvoiceStatus };
export type Amount = { currency: string; gross: string };
export const amountOf = ({ currency, totals: { gross } }: InvoiceDocument): Amount => ({
  currency,
  gross,
});
export type Perspective = "issuer" | "holder" | "employer" | "grantee";
/**
 * An invoice's place in the order of acceptance; `micros`: microseconds from 1970 to its
 * acceptance.
 */
export type Place = { micros: bigint; number: string };
/**
 * Which of a party's invoices a list has. `given`: what it was given to read, by whom; it still is
 * while that is a party.
 */
export type Wanted = {
  as: Perspective;
  given?: Query<{ number: string; accepted_at: Date; giver: string }> | undefined;
  status?: InvoiceStatus | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  buyer?: string | undefined;
  seller?: string | undefined;
  sourceId?: string | undefined;
  order: "asc" | "desc";
  after?: Place | undefined;
  limit: number;
};
export type Invoices = ReturnType<typeof createInvoices>;

type Deps = { vault: Vault; documents: Documents; taxpayers: Taxpayers };

/** Where an invoice is found over HTTP. */
export const linksOf = (number: string) => ({
  self: `/v1/invoices/${number}`,
  history: `/v1/invoices/${number}/history`,
});

/** The index of a tax id that nobody here has: what is asked of it finds nothing. */
const NOBODY = -1;
/** Whose list it is, by indexes. `original`: the one that an issuer's own id names. */
type Of = {
  as: Perspective | "bureau";
  account: string;
  self: number;
  buyer: number | undefined;
  seller: number | undefined;
  original?: { issuer: number; blind: Buffer };
};

export const sourceKey = (issuer: number, blind: Buffer): string =>
  `${issuer}/${blind.toString("base64")}`;

export function createInvoices(deps: Deps) {
  const { vault, documents, taxpayers } = deps;
  const select = (tx: Tx) => tx`
    select i.number, i.issuer, s.lot, coalesce(s.state, 'accepted') as status, coalesce(s.holder, i.leaf_holder) as holder, i.leaf_holder,
           coalesce(s.employer, i.leaf_buyer) as employer, i.leaf_buyer <> 0 as titled, coalesce(s.version, 0) as version, coalesce(s.entry, 1) as entry,
           i.reverses, i.salt, i.document, i.accepted_at, s.issued_at, s.updated_at
    from invoices i left join invoice_states s on s.number = i.number`;

  const all = (tx: Tx, conditions: readonly Query<unknown>[]) =>
    conditions.reduce((those, next) => tx`${those} and ${next}`, tx`true`);

  /** The parts of a list, in which rows are found by an index; what none finds is in `fits`. */
  function partsOf(
    tx: Tx,
    of: Of,
    { given, status, from, to, order, after }: Wanted,
  ): { parts: Query<unknown>[]; looks: number | undefined } {
    const place =
      after &&
      tx`(timestamptz 'epoch' + ${after.micros}::bigint * interval '1 microsecond', ${after.number}::numeric)`;
    const between = [
      ...(from === undefined ? [] : [tx`accepted_at >= ${momentOf(tx, from)}`]),
      ...(to === undefined ? [] : [tx`accepted_at < ${momentOf(tx, to)}`]),
      ...(place === undefined
        ? []
        : [
            order === "desc"
              ? tx`(accepted_at, number) < ${place}`
              : tx`(accepted_at, number) > ${place}`,
          ]),
    ];
    const micros = tx`(extract(epoch from accepted_at) * 1000000)::bigint as micros`;
    const { as, account, self, seller, buyer, original } = of;

    // found one by one: what a grantee was given, and what an original's id names
    const named =
      original &&
      tx`select number, accepted_at from invoices where issuer = ${original.issuer} and source_blind = ${original.blind}`;
    const found = named ?? given;
    if (found !== undefined) {
      const mine = {
        bureau: tx`true`,
        issuer: tx`i.issuer = ${self}`,
        employer: tx`s.employer = ${self}`,
        holder: tx`coalesce(s.holder, i.leaf_holder) = ${account}`,
        grantee:
          named === undefined
            ? tx`g.giver in (coalesce(s.holder, i.leaf_holder), e.account)`
            : tx`exists (select 1 from (${given}) o where o.number = i.number and o.giver in (coalesce(s.holder, i.leaf_holder), e.account))`,
      }[as];
      const fits = all(tx, [
        mine,
        ...(status === undefined ? [] : [tx`coalesce(s.state, 'accepted') = ${status}`]),
        ...(buyer === undefined ? [] : [tx`i.leaf_buyer = ${buyer}`]),
        ...(seller === undefined ? [] : [tx`i.issuer = ${seller}`]),
      ]);
      const part = tx`
        select number, ${micros}, fits from (
          select g.number, g.accepted_at, x.fits from (${found}) g cross join lateral (
            select (${fits}) as fits from invoices i left join invoice_states s on s.number = i.number
            left join taxpayers e on e.index = coalesce(s.employer, i.leaf_buyer) where i.number = g.number offset 0) x
        ) l where ${all(tx, between)}`;
      return { parts: [part], looks: LOOK / 5 };
    }

    // a party that is asked for beside itself, and is another, has nothing in common with it
    const issuer =
      as === "issuer"
        ? seller === undefined || seller === self
          ? self
          : NOBODY
        : as === "holder"
          ? undefined
          : seller;
    const employer =
      as === "employer"
        ? buyer === undefined || buyer === self
          ? self
          : NOBODY
        : as === "holder"
          ? undefined
          : buyer;
    const ofIssuer = issuer === undefined ? [] : [tx`issuer = ${issuer}`];
    const ofHolder = as === "holder" ? [tx`holder = ${account}`] : [];
    const fits = all(tx, [
      ...(buyer === undefined ? [] : [tx`titled and employer = ${buyer}`]),
      ...(as === "holder" && seller !== undefined ? [tx`issuer = ${seller}`] : []),
    ]);
    const inState = (state: InvoiceStatus) => tx`
      select number, ${micros}, (${fits}) as fits from invoice_states
      where lot is not null and state = ${state} and ${all(tx, [
        ...ofHolder,
        ...ofIssuer,
        ...(employer === undefined ? [] : [tx`employer = ${employer} and employer <> 0`]),
        ...between,
      ])}`;
    const accepted = tx`
      select number, ${micros}, (${all(tx, [
        ...(buyer === undefined ? [] : [tx`buyer = ${buyer}`]),
        ...(as === "holder" && seller !== undefined ? [tx`issuer = ${seller}`] : []),
      ])}) as fits from unsealed where ${all(tx, [...ofHolder, ...ofIssuer, ...between])}`;
    // an employer has to do with an invoice once it is sealed
    const states = status === undefined ? invoiceStatuses : [status];
    const parts = states.flatMap((state) =>
      state !== "accepted" ? [inState(state)] : as === "employer" ? [] : [accepted],
    );
    const mayNotFit = buyer !== undefined || (as === "holder" && seller !== undefined);
    return {
      parts: parts.length > 0 ? parts : [tx`${accepted} and false`],
      looks: mayNotFit ? LOOK : undefined,
    };
  }

  const documentOf = (row: { number: string; document: Buffer }): InvoiceDocument =>
    documents.open(row.number, row.document);

  async function find(tx: Tx, number: string): Promise<InvoiceRow | undefined> {
    return (await tx<InvoiceRow[]>`${select(tx)} where i.number = ${number}`)[0];
  }

  /** The red letters that these invoices have, in the order of their numbers. */
  async function redLettersOf(
    tx: Tx,
    numbers: readonly string[],
  ): Promise<{ reverses: string; number: string; document: InvoiceDocument }[]> {
    const rows = await tx<{ reverses: string; number: string; document: Buffer }[]>`
      select reverses, number, document from invoices where reverses = any(${[...numbers]}::numeric[]) order by number`;
    return rows.map((row) => ({ ...row, document: documentOf(row) }));
  }

  async function leftAmounts(tx: Tx, rows: readonly InvoiceRow[]): Promise<Map<string, Amounts>> {
    const reds = Map.groupBy(
      await redLettersOf(
        tx,
        rows.map((row) => row.number),
      ),
      (red) => red.reverses,
    );
    const left = new Map<string, Amounts>();
    for (const row of rows) {
      const own = reds.get(row.number)?.map((red) => red.document);
      // of a reversed one nothing: its last red letter may be under way yet
      if (row.status === "reversed") left.set(row.number, { net: 0n, tax: 0n, gross: 0n });
      else if (own) left.set(row.number, leftOf(documentOf(row), own));
    }
    return left;
  }

  /**
   * The pickup key's secret of an untitled invoice that was issued without a holder: follows from
   * the number, so it is not stored.
   */
  const pickupSecret = (number: string) =>
    `0x${vault.derive("documents", `pickup/${number}`).toString("hex")}`;

  /** Keyed hash that an issuer's own id of an original is found by. */
  const sourceBlind = (taxId: string, sourceId: string): Buffer =>
    vault.blind("source-id", `${taxId}\0${sourceId}`);

  return {
    find,
    documentOf,
    pickupSecret,

    sourceBlind,

    /**
     * Which of these originals were issued before, or wait for it with a red letter, by
     * `sourceKey`.
     */
    async issuedBefore(
      tx: Tx,
      wanted: readonly { issuer: number; blind: Buffer }[],
    ): Promise<Map<string, Original>> {
      if (wanted.length === 0) return new Map();
      const rows = await tx<(Original & { issuer: number; source_blind: Buffer })[]>`
        with wanted as (select * from unnest(${wanted.map((one) => one.issuer)}::int[], ${wanted.map((one) => one.blind)}::bytea[]) as w (issuer, blind))
        select i.number, i.issuer, i.source_blind, coalesce(s.state, 'accepted') as state
        from wanted w join invoices i on i.issuer = w.issuer and i.source_blind = w.blind left join invoice_states s on s.number = i.number
        union all
        select null, r.issuer, r.source_blind, 'accepted' from wanted w join red_letter_sources r on r.issuer = w.issuer and r.source_blind = w.blind`;
      return new Map(
        rows.map(({ issuer, source_blind, number, state }) => [
          sourceKey(issuer, source_blind),
          { number, state },
        ]),
      );
    },

    duplicate: ({ number, state }: Original): Problem =>
      number === null
        ? new Problem(
            "duplicate-source",
            "The original is to be issued with a red letter that is under way",
          )
        : new Problem("duplicate-source", `The original was issued as ${number}`, {
            extra: { original: { number, state, href: linksOf(number).self } },
          }),

    /**
     * Until `tx` ends, no red letter for these invoices is accepted: it would not know of what `tx`
     * is about to do with them.
     */
    async hold(tx: Tx, numbers: readonly string[]): Promise<void> {
      await tx`select 1 from invoices where number = any(${[...numbers]}::numeric[]) order by number for share`;
    },

    /**
     * The invoice, if the caller is one of its parties, with a key for that role, or the bureau.
     */
    async visible(tx: Tx, caller: Caller, number: string): Promise<InvoiceRow> {
      const row = await find(tx, number);
      const may = (role: Role) => caller.roles.includes(role);
      if (row && (may("bureau") || (may("holder") && row.holder === caller.account))) return row;
      const self = row && (await taxpayers.byAccount(tx, caller.account));
      if (
        row &&
        self &&
        ((may("issuer") && row.issuer === self.index) ||
          (may("employer") && row.employer === self.index))
      )
        return row;
      throw new Problem("not-found", `There is no invoice ${number} that you are a party of`);
    },

    /** Text of the original, byte for byte; undefined when none is kept (formats.ts). */
    async sourceOf(tx: Tx, number: string): Promise<string | undefined> {
      const [row] = await tx<
        { source: Buffer | null }[]
      >`select source from invoices where number = ${number}`;
      return row?.source ? documents.openSource(number, row.source) : undefined;
    },

    /**
     * A page of the caller's invoices, in the order in which they were accepted. Throws
     * invalid-request when nobody says whose `sourceId` it is.
     */
    async list(
      tx: Tx,
      caller: Caller,
      wanted: Wanted,
    ): Promise<{ rows: InvoiceRow[]; next: Place | undefined }> {
      const { as, buyer, seller, sourceId, order, limit } = wanted;
      const self = await taxpayers.byAccount(tx, caller.account);
      const { byTaxId } = await taxpayers.among(
        tx,
        [],
        [buyer, seller].filter((one) => one !== undefined),
      );
      const indexOf = (taxId: string | undefined) =>
        taxId === undefined ? undefined : (byTaxId.get(taxId)?.index ?? NOBODY);
      const of: Of = {
        as: as !== "grantee" && caller.roles.includes("bureau") ? "bureau" : as,
        account: caller.account,
        self: self?.index ?? NOBODY,
        buyer: indexOf(buyer),
        seller: indexOf(seller),
      };
      if (sourceId !== undefined) {
        const issuer = seller ?? (as === "issuer" ? self?.taxId : undefined);
        if (issuer === undefined) {
          const detail = "An issuer's own id says nothing without its issuer: name the seller";
          throw new Problem("invalid-request", detail, {
            violations: [{ field: "?sourceId", rule: "seller-named", detail }],
          });
        }
        of.original = {
          issuer: seller === undefined ? of.self : (of.seller as number),
          blind: sourceBlind(issuer, sourceId),
        };
      }
      const down = order === "desc";
      const { items, next } = await pageOf<Candidate & Place>(tx, {
        ...partsOf(tx, of, wanted),
        order: down ? tx`accepted_at desc, number desc` : tx`accepted_at, number`,
        compare: (a, b) =>
          (down ? -1 : 1) *
          (Number(a.micros - b.micros) || (a.number < b.number ? -1 : a.number > b.number ? 1 : 0)),
        limit,
      });
      const numbers = items.map((one) => one.number);
      const rows = await tx<
        InvoiceRow[]
      >`${select(tx)} where i.number = any(${numbers}::numeric[])`;
      const byNumber = new Map(rows.map((row) => [row.number, row]));
      return { rows: numbers.flatMap((number) => byNumber.get(number) ?? []), next };
    },

    redLettersOf,

    /** What red letters have left of these invoices, by number; nothing of those that have none. */
    leftOf: leftAmounts,

    /** The same of invoices that are known by their numbers alone. */
    async leftOfNumbers(tx: Tx, numbers: readonly string[]): Promise<Map<string, Amounts>> {
      const named = tx`i.number in (select r.reverses from invoices r where r.reverses = any(${[...numbers]}::numeric[]))`;
      return leftAmounts(tx, await tx<InvoiceRow[]>`${select(tx)} where ${named}`);
    },

    /** What these invoices were issued for, by number; whose they are, the caller knows. */
    async amountsOf(tx: Tx, numbers: readonly string[]): Promise<Map<string, Amount>> {
      const rows = await tx<
        { number: string; document: Buffer }[]
      >`select number, document from invoices where number = any(${[...numbers]}::numeric[])`;
      return new Map(rows.map((row) => [row.number, amountOf(documentOf(row))]));
    },

    /** Whether a caller sees an invoice's mark of book entry: its employer does, and the bureau. */
    async seesEntries(tx: Tx, { account, roles }: Caller): Promise<(row: InvoiceRow) => boolean> {
      if (roles.includes("bureau")) return () => true;
      const self = roles.includes("employer") ? await taxpayers.byAccount(tx, account) : undefined;
      return (row) => self !== undefined && row.employer === self.index;
    },

    /**
     * What has been told of an invoice. Its holder and its employer see where it has been; to the
     * issuer, and of one issued elsewhere, of which employers know nothing of one another, what
     * names the caller.
     */
    async history(tx: Tx, { account, roles }: Caller, number: string) {
      const mine = tx`${account} = any(accounts)`;
      const row = await find(tx, number);
      const self = await taxpayers.byAccount(tx, account);
      const party =
        row !== undefined &&
        (row.holder === account || (self !== undefined && row.employer === self.index));
      // offers are between two, and an entry is its employer's
      const own = tx`(${mine} and (type <> 'invoice.entered' or ${roles.includes("employer")}))`;
      const seen = roles.includes("bureau")
        ? tx`true`
        : isExternal(number) || !party
          ? own
          : tx`(type not in ('invoice.entered', 'transfer.offered', 'transfer.ended') or ${own})`;
      return tx<
        {
          position: bigint;
          type: string;
          data: Record<string, unknown>;
          at: Date;
          tx: string | null;
        }[]
      >`
        select position, type, data, at, tx from feed where number = ${number} and ${seen} order by position limit 1000`;
    },
  };
}
