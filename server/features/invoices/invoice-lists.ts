/**
 * Lists of invoices: a page of those that a party issued, holds, has to reimburse or may read by a
 * grant. Rows are found by an index, whatever else is stored (docs/adr/0028).
 */
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { momentOf, type Query, type Tx } from "../../db/db.ts";
import { type Candidate, LOOK, pageOf } from "../../db/lists.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import { type InvoiceRow, type InvoiceStatus, type Invoices, invoiceStatuses } from "./invoices.ts";

export type Perspective = "issuer" | "holder" | "employer" | "grantee";
/**
 * An invoice's place in the order of acceptance; `micros`: microseconds from 1970 to its
 * acceptance.
 */
export type Place = { micros: bigint; number: string };
/**
 * Which invoices of a party a list has. `granted`: the invoices that it may read by a grant, and
 * who gave it; a grant counts while its giver is a party of the invoice.
 */
export type Filter = {
  as: Perspective;
  granted?: Query<{ number: string; accepted_at: Date; giver: string }> | undefined;
  status?: InvoiceStatus | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
  buyer?: string | undefined;
  seller?: string | undefined;
  sourceId?: string | undefined;
  /** SHA-256 in hex of the original, or of the document as canonical JSON. */
  documentHash?: string | undefined;
  order: "asc" | "desc";
  after?: Place | undefined;
  limit: number;
};
export type InvoiceLists = ReturnType<typeof createInvoiceLists>;

/** An index that no taxpayer has: a filter by it finds nothing. */
const NOBODY = -1;
/**
 * Whose list it is, by indexes. `original`: the invoice that an issuer's own id names. `file`: the
 * keyed hash of a file.
 */
type Owner = {
  as: Perspective | "bureau";
  account: string;
  self: number;
  buyer: number | undefined;
  seller: number | undefined;
  original?: { issuer: number; blind: Buffer };
  file?: Buffer;
};

const all = (tx: Tx, conditions: readonly Query<unknown>[]) =>
  conditions.reduce((those, next) => tx`${those} and ${next}`, tx`true`);

/**
 * The parts of a list. Each part finds its rows by an index; `fits` has the conditions that no
 * index covers.
 */
function partsOf(
  tx: Tx,
  owner: Owner,
  { granted, status, from, to, order, after }: Filter,
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
  const { as, account, self, seller, buyer, original, file } = owner;

  // looked up one by one: what a grantee may read, and what a file or an original's id names
  const filed = file && tx`select number, accepted_at from document_hash_now where blind = ${file}`;
  const named =
    filed ??
    (original &&
      tx`select number, accepted_at from accepted_now where issuer = ${original.issuer} and source_blind = ${original.blind}`);
  const source = named ?? granted;
  if (source !== undefined) {
    const belongs = {
      bureau: tx`true`,
      issuer: tx`i.issuer = ${self}`,
      // an employer sees an invoice once it is sealed
      employer: tx`i.lot is not null and i.employer = ${self}`,
      holder: tx`i.holder = ${account}`,
      grantee:
        named === undefined
          ? tx`g.giver in (i.holder, e.account)`
          : tx`exists (select 1 from (${granted}) o where o.number = i.number and o.giver in (i.holder, e.account))`,
    }[as];
    const fits = all(tx, [
      belongs,
      ...(file === undefined || original === undefined
        ? []
        : [tx`i.issuer = ${original.issuer} and i.source_blind = ${original.blind}`]),
      ...(status === undefined ? [] : [tx`i.state = ${status}`]),
      ...(buyer === undefined ? [] : [tx`i.leaf_buyer = ${buyer}`]),
      ...(seller === undefined ? [] : [tx`i.issuer = ${seller}`]),
    ]);
    const part = tx`
      select number, ${micros}, fits from (
        select g.number, g.accepted_at, x.fits from (${source}) g cross join lateral (
          select (${fits}) as fits from invoice_now i
          left join taxpayer_now e on e.index = i.employer where i.number = g.number offset 0) x
      ) l where ${all(tx, between)}`;
    return { parts: [part], looks: LOOK / 5 };
  }

  // a filter by another issuer or employer than the owner itself finds nothing
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
    select number, ${micros}, (${fits}) as fits from record_now
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
  // an employer sees an invoice once it is sealed
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

type Deps = { taxpayers: Taxpayers; invoices: Invoices };

export function createInvoiceLists({ taxpayers, invoices }: Deps) {
  return {
    /**
     * A page of the caller's invoices, in the order in which they were accepted. Throws
     * invalid-request when the filter does not say whose `sourceId` it is.
     */
    async page(
      tx: Tx,
      caller: Caller,
      filter: Filter,
    ): Promise<{ rows: InvoiceRow[]; next: Place | undefined }> {
      const { as, buyer, seller, sourceId, documentHash, order, limit } = filter;
      const self = await taxpayers.byAccount(tx, caller.account);
      const { byTaxId } = await taxpayers.among(
        tx,
        [],
        [buyer, seller].filter((taxId) => taxId !== undefined),
      );
      const indexOf = (taxId: string | undefined) =>
        taxId === undefined ? undefined : (byTaxId.get(taxId)?.index ?? NOBODY);
      const owner: Owner = {
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
        owner.original = {
          issuer: seller === undefined ? owner.self : (owner.seller as number),
          blind: invoices.sourceBlind(issuer, sourceId),
        };
      }
      if (documentHash !== undefined) owner.file = invoices.fileBlind(documentHash);
      const down = order === "desc";
      const { items, next } = await pageOf<Candidate & Place>(tx, {
        ...partsOf(tx, owner, filter),
        order: down ? tx`accepted_at desc, number desc` : tx`accepted_at, number`,
        compare: (a, b) =>
          (down ? -1 : 1) *
          (Number(a.micros - b.micros) || (a.number < b.number ? -1 : a.number > b.number ? 1 : 0)),
        limit,
      });
      const numbers = items.map(({ number }) => number);
      const rows = await invoices.among(tx, numbers);
      const byNumber = new Map(rows.map((row) => [row.number, row]));
      return { rows: numbers.flatMap((number) => byNumber.get(number) ?? []), next };
    },
  };
}
