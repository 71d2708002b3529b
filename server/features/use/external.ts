/**
 * External invoices (外部票): an employer registers an invoice that was issued elsewhere and so claims
 * it, for its employee or for itself. From then on it is a claim like any other; the ledger's
 * once-only rule holds for its id (protocol/ledger/external.ts), at every gateway.
 *
 * | the invoice | a registration of it |
 * | --- | --- |
 * | was never registered, or its last claim was refused, rejected or withdrawn | goes to the chain as the act Admit, under all ids that its document gives it |
 * | is registered here with another seller, day or total | external-conflict, a finding (external-findings.ts); nothing goes to the chain |
 * | is registered by the same employer | external-registered, with that claim and its state; nothing goes to the chain |
 * | is claimed from or reimbursed by another employer | goes to the chain, which refuses it: the bureau sees who tried |
 * | is one of this network, by its number or by its issuer's own id | external-issued-here, with the number that it has here |
 * | is titled to somebody else | titled-to-another |
 * | is taken back by credit notes | external-credited, or it is claimed for what is left (external-credits.ts) |
 *
 * Of the ids (protocol/ledger/identity.ts), the surest is the invoice's name outside: the `number`
 * of its registration. Every other one finds it too, and its claim holds them all, so a copy that
 * gives only one of them is refused at every gateway.
 *
 * An invoice of this network must not also be registered under another id, or it could be
 * reimbursed twice. A number in a segment that the bureau has allotted belongs to this network,
 * whatever the document says about its seller and whether it is sealed yet: every gateway knows all
 * segments. An issuer's own ids are known only where its documents are; docs/external-invoices.md
 * says what that leaves open. The checks are in external-checks.ts.
 */

import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { type FormatName, formatOf } from "@onepiao/protocol/formats/formats.ts";
import type { ReadInvoice } from "@onepiao/protocol/formats/read.ts";
import { payableOf } from "@onepiao/protocol/formats/rules.ts";
import { externalHex, externalId } from "@onepiao/protocol/ledger/external.ts";
import { differences, type Fact, type Stated } from "@onepiao/protocol/ledger/identity.ts";
import { checksummed } from "@onepiao/protocol/ledger/messages.ts";
import type { TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { momentNow, type Query, type Sql, type Tx } from "../../db/db.ts";
import { inOrder, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import { type Amount, amountOf, type Invoices } from "../invoices/invoices.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import { type Claim, type ClaimStatus, claimsInForce } from "./claim-records.ts";
import type { Claims } from "./claims.ts";
import { type Effect, lessCredits } from "./credit-records.ts";
import {
  checkDates,
  checkElsewhere,
  checkTitle,
  employerOf,
  holdNames,
  identified,
  idsOf,
  statedBy,
} from "./external-checks.ts";
import type { Credits, Met, Original } from "./external-credits.ts";
import { type Findings, type NewFinding, sideOf } from "./external-findings.ts";
import { contextOf, openKept } from "./external-kept.ts";
import type { Near, NearMatch, NearSubject } from "./near.ts";

type Row = { claim: string; number: string; employer: number; document: Buffer; created_at: Date };
export type Registered = {
  id: string;
  /** The original's own number. */
  number: string;
  claim: { id: string; status: ClaimStatus };
  holder: string;
  employer: number;
  registeredAt: Date;
  document: InvoiceDocument;
  /** What credit notes do to it. */
  credits: readonly Effect[];
};
export type External = ReturnType<typeof createExternal>;

/**
 * What a document says, once it is checked. `ids`: on the ledger, the one that names it first;
 * with those of the invoices whose place it takes. `own`: without them.
 */
type Examined = {
  employer: Taxpayer;
  original: string;
  ids: readonly string[];
  own: readonly string[];
  stated: Stated;
};
export const lookStates = ["free", "registered", "used", "conflict", "credited"] as const;
/** `original`: what is there already, as a refusal would name it. */
export type Look = {
  number: string;
  ids: string[];
  state: (typeof lookStates)[number];
  differs?: readonly Fact[] | undefined;
  original?: unknown;
  nearDuplicates: NearMatch[];
  credits: readonly Met[];
};
/** A registration in force. */
type InForce = Row & { state: ClaimStatus };

type Deps = {
  sql: Sql;
  vault: Vault;
  taxpayers: Taxpayers;
  invoices: Invoices;
  claims: Claims;
  findings: Findings;
  near: Near;
  credits: Credits;
  bounds: TimeBounds;
};

export function createExternal({
  sql,
  vault,
  taxpayers,
  invoices,
  claims,
  findings,
  near,
  credits,
  bounds,
}: Deps) {
  const seal = (claim: string, { document, source, issueDay }: ReadInvoice, number: string) => ({
    document: vault.seal(
      "documents",
      contextOf(claim),
      canonicalJson({ number, document, issueDay }),
    ),
    source:
      source === undefined
        ? null
        : vault.seal("documents", `${contextOf(claim)}/source`, source.bytes),
  });
  const open = (row: Row) => openKept(vault, row);

  /** The account of the claim's holder: the employer's own, or that of a person it has made. */
  async function holderOf(tx: Tx, caller: Caller, holder: string | undefined): Promise<string> {
    const account = holder === undefined ? caller.account : checksummed(holder);
    if (account === caller.account) return account;
    const [employee] =
      await tx`select 1 from party_now where account = ${account} and kind = 'person' and manager = ${caller.account}`;
    if (employee) return account;
    const detail = "An employer registers for itself, or for a person that it has made";
    throw new Problem("receiver-invalid", detail, {
      violations: [{ field: "?holder", rule: "holder-is-employee", detail }],
    });
  }

  /** The registrations in force that share an id with these, of any employer. */
  const inForce = (tx: Tx, ids: readonly string[]) => tx<InForce[]>`
    select e.claim, e.number, e.employer, e.document, c.created_at, c.state
    from (select distinct claim from claim_invoices where number = any(${[...ids]}::numeric[])) i
    join external_invoices e on e.claim = i.claim join claims c on c.id = e.claim
    where c.state = any(${[...claimsInForce]}::text[]) order by e.claim desc`;

  const originalOf = (row: InForce, own: boolean) => ({
    id: externalHex(row.number),
    state: row.state,
    since: row.created_at.toISOString(),
    ...(own ? { claim: row.claim, href: `/v1/claims/${row.claim}` } : {}),
  });

  /** The registration that says something else of the invoice, and the refusal that this is. */
  function conflictWith(
    rows: readonly InForce[],
    employer: Taxpayer,
    stated: Stated,
  ): { finding: NewFinding; problem: Problem } | undefined {
    for (const row of rows) {
      const { number, document, issueDay } = open(row);
      const registered = statedBy({ document, issueDay });
      const differs = differences(registered, stated);
      if (differs.length === 0) continue;
      const finding: NewFinding = {
        kind: "conflict",
        number: row.number,
        original: number,
        differs,
        claim: row.claim,
        registered: {
          ...sideOf(registered),
          invoice: row.number,
          number,
          employer: row.employer,
        },
        stated: sideOf(stated),
      };
      const names = new Intl.ListFormat("en").format(differs);
      const problem = new Problem(
        "external-conflict",
        `The invoice is registered with another ${names}: look which of the two documents is right`,
        { extra: { original: originalOf(row, row.employer === employer.index), differs } },
      );
      return { finding, problem };
    }
    return undefined;
  }

  /**
   * What is registered here of this invoice: the refusal of another registration, if there is one.
   * `finding`: it contradicts a registration.
   */
  async function refusalOf(
    tx: Tx,
    { employer, ids, own: ownIds, stated }: Examined,
  ): Promise<{ problem: Problem; finding?: NewFinding } | undefined> {
    const rows = await inForce(tx, ids);
    const isCopy = (row: InForce) =>
      identified(open(row)).identity.keys.some((key) => ownIds.includes(externalId(key)));
    const conflict = conflictWith(rows.filter(isCopy), employer, stated);
    if (conflict) return conflict;
    const own = rows.find((row) => row.employer === employer.index);
    if (own === undefined) return undefined;
    const detail = isCopy(own)
      ? `The invoice is registered: its claim is ${own.state}`
      : "An invoice is registered that this one corrects, or that corrects this one: its claim is " +
        `${own.state}. One of the two is reimbursed, not both`;
    return {
      problem: new Problem("external-registered", detail, {
        extra: { original: originalOf(own, true) },
      }),
    };
  }

  /**
   * Throws external-conflict if a registration here says something else of the invoice, and
   * external-registered if the employer has registered it. Until `tx` ends, no other transaction of
   * the employer registers it.
   */
  async function checkNew(tx: Tx, examined: Examined): Promise<void> {
    const { employer, ids } = examined;
    await holdNames(
      tx,
      ids.flatMap((id) => [`external/${employer.index}/${id}`, `external/${id}`]),
    );
    const refusal = await refusalOf(tx, examined);
    if (refusal === undefined) return;
    const { problem, finding } = refusal;
    if (finding === undefined || (await findings.isKnown(tx, employer, finding))) throw problem;
    // a refusal rolls its transaction back, so the finding is stored in one of its own
    throw new Problem(problem.code, problem.message, {
      extra: problem.extra,
      remedy: () => sql.begin((own) => findings.add(own, employer, finding)),
    });
  }

  /** Everything that is checked of a document before anything is asked or written about it. */
  async function examine(tx: Tx, caller: Caller, read: ReadInvoice): Promise<Examined> {
    const { document } = read;
    const employer = await employerOf(tx, taxpayers, caller);
    checkTitle(document, employer);
    const identification = identified(read);
    const { number: original, identity } = identification;
    await checkElsewhere(tx, { taxpayers, invoices }, read, original);
    checkDates(read, { number: original, kind: identity.kind }, await momentNow(tx), bounds);
    const own = identity.keys.map(externalId);
    return { employer, original, ids: idsOf(read, identification), own, stated: statedBy(read) };
  }

  const nearSubject = (
    { employer, ids, original, stated }: Examined,
    { buyer }: InvoiceDocument,
    holder: string,
  ): NearSubject => ({ employer, ids, original, stated, holder, buyer: buyer.name });

  const originalOfCredits = (
    { employer, own, original, stated }: Examined,
    document: InvoiceDocument,
  ): Original => ({
    employer: employer.index,
    ids: own,
    number: original,
    stated,
    payable: payableOf(document),
  });

  const select = (tx: Tx) =>
    tx`select e.claim, e.number, e.employer, e.document, c.created_at from external_invoices e join claims c on c.id = e.claim left join claim_states s on s.ref = c.ref`;

  /**
   * Which rows a caller sees: the bureau all, an employer its own, a holder those claimed for it.
   */
  async function scopeOf(tx: Tx, { account, roles }: Caller) {
    const self = roles.includes("employer") ? await taxpayers.byAccount(tx, account) : undefined;
    const held = roles.includes("holder") ? account : null;
    // a function, because awaiting a query runs it
    return () =>
      roles.includes("bureau")
        ? tx`true`
        : tx`(e.employer = ${self?.index ?? -1} or e.holder = ${held})`;
  }

  async function views(tx: Tx, rows: readonly Row[]): Promise<Registered[]> {
    const ids = rows.map((row) => row.claim);
    const made = await claims.among(tx, ids);
    const effects = await credits.effectsOf(tx, "claim", ids);
    return rows.map((row) => {
      const { id, status, holder } = made.get(row.claim) as Claim;
      return {
        id: externalHex(row.number),
        claim: { id, status },
        holder,
        employer: row.employer,
        registeredAt: row.created_at,
        credits: effects.get(row.claim) ?? [],
        ...open(row),
      };
    });
  }
  const view = async (tx: Tx, row: Row): Promise<Registered> =>
    (await views(tx, [row]))[0] as Registered;

  async function find(tx: Tx, caller: Caller, number: string): Promise<Row> {
    // of several registrations the one in force, or else the last
    const scope = await scopeOf(tx, caller);
    const [row] = await tx<Row[]>`
      ${select(tx)} where e.claim in (select claim from claim_invoices where number = ${number}) and ${scope()}
      order by coalesce(s.state in ('claimed', 'reimbursed'), false) desc, s.state is not null desc, e.claim desc limit 1`;
    if (!row)
      throw new Problem(
        "not-found",
        "There is no external invoice with this id that you are a party of",
      );
    return row;
  }

  return {
    /**
     * Registers and claims; the chain makes the claim. `holder`: the account that it is claimed
     * for.
     */
    async register(
      tx: Tx,
      caller: Caller,
      { read, holder }: { read: ReadInvoice; holder: string | undefined },
    ): Promise<{
      id: string;
      claim: string;
      operation: string;
      document: InvoiceDocument;
      nearDuplicates: NearMatch[];
    }> {
      const { document } = read;
      const examined = await examine(tx, caller, read);
      const { employer, original, ids } = examined;
      const number = ids[0] as string;
      const account = await holderOf(tx, caller, holder);
      await checkNew(tx, examined);
      const credited = originalOfCredits(examined, document);
      const met = await credits.against(tx, credited);
      const usedUp = credits.usedUp(credited, met);
      if (usedUp) throw usedUp;
      const made = await claims.admit(tx, caller, {
        ids,
        original,
        employer: employer.index,
        holder: account,
      });
      const sealed = seal(made.id, read, original);
      await tx`
        insert into external_invoices (claim, number, employer, holder, document, source)
        values (${made.id}, ${number}, ${employer.index}, ${account}, ${sealed.document}, ${sealed.source})`;
      await credits.bind(
        tx,
        { ...credited, claim: made.id, holder: account, account: employer.account },
        met,
      );
      const nearDuplicates = await near.register(
        tx,
        nearSubject(examined, document, account),
        made.id,
      );
      const { id: claim, operation } = made;
      return { id: externalHex(number), claim, operation, document, nearDuplicates };
    },

    /**
     * What a registration would find. Nothing is written, and no event says so. Throws what
     * `register` throws about the document itself.
     */
    async look(
      tx: Tx,
      caller: Caller,
      { read, holder }: { read: ReadInvoice; holder: string | undefined },
    ): Promise<Look> {
      const examined = await examine(tx, caller, read);
      const { original, ids } = examined;
      const account = await holderOf(tx, caller, holder);
      const subject = nearSubject(examined, read.document, account);
      const nearDuplicates = await near.look(tx, subject);
      const credited = originalOfCredits(examined, read.document);
      const met = await credits.against(tx, credited);
      const base = {
        number: original,
        ids: ids.map(externalHex),
        nearDuplicates,
        credits: met,
      };
      const refusal = await refusalOf(tx, examined);
      if (refusal !== undefined) {
        const { problem, finding } = refusal;
        const state = finding === undefined ? "registered" : "conflict";
        return { ...base, state, differs: finding?.differs, original: problem.extra["original"] };
      }
      const [taken] = await tx<RowOf<"record_now", "number" | "state" | "updated_at">[]>`
        select number, state, updated_at from record_now
        where number = any(${ids}::numeric[]) and state in ('claimed', 'reimbursed')
        order by state desc limit 1`;
      const usedUp = credits.usedUp(credited, met);
      if (usedUp) return { ...base, state: "credited", original: usedUp.extra["original"] };
      if (taken === undefined) return { ...base, state: "free" };
      const { number, state, updated_at } = taken;
      const since = updated_at.toISOString();
      return { ...base, state: "used", original: { id: externalHex(number), state, since } };
    },

    /** `number`: the id as a decimal number. */
    get: async (tx: Tx, caller: Caller, number: string): Promise<Registered> =>
      view(tx, await find(tx, caller, number)),

    /** The registration behind this claim. */
    async ofClaim(tx: Tx, caller: Caller, claim: string): Promise<Registered> {
      const scope = await scopeOf(tx, caller);
      const [row] = await tx<Row[]>`${select(tx)} where e.claim = ${claim} and ${scope()}`;
      if (!row)
        throw new Problem(
          "not-found",
          "There is no external invoice with this claim that you are a party of",
        );
      return view(tx, row);
    },

    /**
     * The amounts of registrations among these claims, less what credit notes took before they were
     * reimbursed, by claim. The caller checks whose they are.
     */
    async amountsOf(tx: Tx, ids: readonly string[]): Promise<Map<string, Amount>> {
      if (ids.length === 0) return new Map();
      const rows = await tx<
        Row[]
      >`select claim, document from external_invoices where claim = any(${[...ids]}::uuid[])`;
      const effects = await credits.effectsOf(
        tx,
        "claim",
        rows.map(({ claim }) => claim),
      );
      return new Map(
        rows.map((row) => [
          row.claim,
          lessCredits(amountOf(open(row).document), effects.get(row.claim)),
        ]),
      );
    },

    /** The original, byte for byte; undefined when none is kept (formats.ts). */
    async sourceOf(
      tx: Tx,
      caller: Caller,
      number: string,
    ): Promise<{ bytes: Uint8Array; format: FormatName } | undefined> {
      const registration = await find(tx, caller, number);
      const [row] = await tx<
        RowOf<"external_invoices", "source">[]
      >`select source from external_invoices where claim = ${registration.claim}`;
      if (!row?.source) return undefined;
      const bytes = vault.open("documents", `${contextOf(registration.claim)}/source`, row.source);
      return { bytes, format: formatOf(open(registration).document) };
    },

    /** Registrations, newest first. */
    async list(
      tx: Tx,
      { account, roles }: Caller,
      { before, limit }: { before?: string | undefined; limit: number },
    ): Promise<Registered[]> {
      const self = roles.includes("employer") ? await taxpayers.byAccount(tx, account) : undefined;
      const part = (condition: Query<unknown>) => tx`
        select id, true as fits from (select claim as id from external_invoices where ${condition}) e where ${before === undefined ? tx`true` : tx`id < ${before}`}`;
      const parts = roles.includes("bureau")
        ? [part(tx`true`)]
        : [
            ...(self ? [part(tx`employer = ${self.index}`)] : []),
            ...(roles.includes("holder") ? [part(tx`holder = ${account}`)] : []),
          ];
      if (parts.length === 0) return [];
      const { ids } = await pageOfIds(tx, { parts, limit });
      const rows = await tx<Row[]>`${select(tx)} where e.claim = any(${ids}::uuid[])`;
      return views(
        tx,
        inOrder(
          ids,
          rows.map((row) => ({ ...row, id: row.claim })),
        ),
      );
    },
  };
}
