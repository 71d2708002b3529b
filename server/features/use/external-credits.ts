/**
 * Red letters and credit notes (红字发票) of invoices that were issued elsewhere, as employers record
 * them. They are never claimed. What one does to a registration of its original stands in
 * credit-effects.ts, and is stored when the later of the two comes: a registration and a recording
 * both hold the original's ids, so neither is missed.
 *
 * A credit note names its original by number, and by its seller, who is the same; where it does not
 * say the day, the original may be of its own year or of YEARS before. The newest registration that
 * fits is then the original, and for good.
 *
 * | the claim of the original | a credit note that counts |
 * | --- | --- |
 * | is not made yet | is deducted from it; a claim of what is used up is refused, external-credited |
 * | is not reimbursed yet | the same; its reimbursement is refused if it is used up |
 * | is reimbursed, or about to be | is a sum reimbursed too much, until the employer has recovered it |
 *
 * Owns `external_credit_ids` and `external_credit_originals`; rows of the others are in
 * credit-records.ts.
 */
import {
  type Credit,
  type CreditEffect,
  creditOf,
  type Named,
} from "@onepiao/protocol/formats/credit.ts";
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { fieldIn } from "@onepiao/protocol/formats/fields.ts";
import type { ReadInvoice } from "@onepiao/protocol/formats/read.ts";
import { payableOf } from "@onepiao/protocol/formats/rules.ts";
import { externalHex, externalId } from "@onepiao/protocol/ledger/external.ts";
import { differences, type Fact, identityOf } from "@onepiao/protocol/ledger/identity.ts";
import type { TimeBounds } from "@onepiao/protocol/values/dates.ts";
import { decimalsOf, formatMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { isUnderWay } from "../../acts/operations.ts";
import { momentNow, type Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import { notify } from "../../feed/notices.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Invoices } from "../invoices/invoices.ts";
import type { Taxpayer, Taxpayers } from "../parties/taxpayers.ts";
import { type ClaimStatus, claimsInForce } from "./claim-records.ts";
import {
  type Amounts,
  amountsOf,
  isUsedUp,
  less,
  type Meeting,
  meet,
  type Registration,
} from "./credit-effects.ts";
import {
  type CreditNote,
  type CreditRow,
  counts,
  createCreditRecords,
  creditContext,
  type KeptCredit,
  type SealedEffect,
  takenOf,
} from "./credit-records.ts";
import {
  checkDates,
  checkElsewhere,
  checkTitle,
  employerOf,
  holdNames,
  identified,
  statedBy,
} from "./external-checks.ts";
import { openKept } from "./external-kept.ts";

/** How many years before it a credit note's original may have been issued. */
const YEARS = 10;

const textOf = ({ gross, payable }: Amounts, currency: string): Taken => ({
  gross: formatMoney(gross, decimalsOf(currency)),
  payable: formatMoney(payable, decimalsOf(currency)),
});

type Taken = SealedEffect["taken"];
/** What a credit note does to a registration, before it is stored. */
export type Met = {
  note: CreditNote;
  effect: CreditEffect;
  differs: readonly Fact[];
  taken: Taken;
};
/** A registration, or what would be one. `ids`: on the ledger, the one that names it first. */
export type Original = Registration & { ids: readonly string[]; number: string };
/** A registration in force, with the accounts of its employer and its holder. */
type InForce = Original & {
  claim: string;
  state: ClaimStatus;
  year: number;
  holder: string;
  account: string;
};
/** An id that the original of a credit note may have, and the year of issue that it is for. */
type Target = { number: string; year: number };
type Examined = Omit<CreditNote, "id" | "at"> & {
  taxpayer: Taxpayer;
  ids: readonly string[];
  targets: readonly Target[];
};
export type Credits = ReturnType<typeof createCredits>;

type Deps = { vault: Vault; taxpayers: Taxpayers; invoices: Invoices; bounds: TimeBounds };

/** Whether a reimbursement of these has been accepted that the chain has not decided. */
const isBeingReimbursed = (tx: Tx, numbers: readonly string[]): Promise<boolean> =>
  isUnderWay(tx, "Reimburse", numbers);

/** The ids that an invoice named in a credit note may have. */
function targetsOf(
  { document, stated }: Pick<CreditNote, "document" | "stated">,
  { number, date }: Named,
): Target[] {
  const { currency, seller } = document;
  const [issued = ""] = stated.days;
  const last = Number((date ?? issued).slice(0, 4));
  const targets = new Map<string, Target>();
  for (let year = last; year >= (date === undefined ? last - YEARS : last); year--) {
    const identity = identityOf({ number, day: date ?? `${year}-01-01`, currency, seller });
    // without an id of the seller it is the day that identifies
    if (!("keys" in identity) || (identity.kind === "named" && date === undefined)) continue;
    for (const id of identity.keys.map(externalId))
      if (!targets.has(id)) targets.set(id, { number: id, year });
  }
  return [...targets.values()];
}

export function createCredits({ vault, taxpayers, invoices, bounds }: Deps) {
  const { open, effectsOf, ...reading } = createCreditRecords({ vault, taxpayers });
  const context = creditContext;

  /** Everything that is checked of a credit note before anything is asked or written about it. */
  async function examine(tx: Tx, caller: Caller, read: ReadInvoice): Promise<Examined> {
    const { document } = read;
    const taxpayer = await employerOf(tx, taxpayers, caller);
    checkTitle(document, taxpayer);
    const credit = creditOf(document);
    if (credit === undefined) {
      const field = fieldIn(document, "/totals/gross");
      const detail = "A credit note takes something back: this one would add to what is to be paid";
      throw new Problem("invalid-document", detail, {
        violations: [{ field, rule: "credit-note-adds", detail }],
      });
    }
    const { number, identity } = identified(read);
    await checkElsewhere(tx, { taxpayers, invoices }, read, number);
    // a red letter of an invoice of this network is issued here
    for (const original of credit.originals)
      await checkElsewhere(tx, { taxpayers, invoices }, { document }, original.number);
    checkDates(read, { number, kind: identity.kind }, await momentNow(tx), bounds);
    const ids = identity.keys.map(externalId);
    const stated = statedBy(read);
    const targets = credit.originals.flatMap((each) => targetsOf({ document, stated }, each));
    const hex = externalHex(ids[0] as string);
    return {
      taxpayer,
      employer: taxpayer.index,
      document,
      number,
      hex,
      ids,
      stated,
      credit,
      targets,
    };
  }

  /** The credit note that the employer has recorded under one of these ids. */
  async function recordedAs(tx: Tx, { taxpayer, ids }: Examined): Promise<CreditNote | undefined> {
    const [row] = await tx<CreditRow[]>`
      select c.id, c.number, c.employer, c.document, c.created_at
      from external_credit_ids i join external_credits c on c.id = i.credit
      where i.employer = ${taxpayer.index} and i.number = any(${[...ids]}::numeric[]) limit 1`;
    return row && open(row);
  }

  /** Throws external-conflict if the employer has recorded it with other facts. */
  function checkSame(known: CreditNote, { stated, credit }: Examined): void {
    const differs = differences(known.stated, stated);
    const names = ({ originals }: Credit) => JSON.stringify(originals.map(({ number }) => number));
    if (differs.length === 0 && names(known.credit) === names(credit)) return;
    const words =
      differs.length === 0 ? "of another invoice" : `with another ${differs.join(", ")}`;
    throw new Problem(
      "external-conflict",
      `The credit note ${known.number} is recorded ${words}: look which of the two documents is right`,
      { extra: { original: { credit: known.id, since: known.at.toISOString() }, differs } },
    );
  }

  /**
   * The registrations in force of what a credit note names; of several years, only the newest, and
   * rather the employer's own. `isHeld`: until `tx` ends, nobody decides on the employer's own.
   */
  async function registered(
    tx: Tx,
    { taxpayer, targets }: Examined,
    isHeld: boolean,
  ): Promise<InForce[]> {
    const ids = [targets.map(({ number }) => number), targets.map(({ year }) => year)] as const;
    const named = tx`
      select i.claim, max(t.year) as year from unnest(${ids[0]}::numeric[], ${ids[1]}::int[]) as t (number, year)
      join claim_invoices i on i.number = t.number group by i.claim`;
    if (isHeld)
      await tx`
      select 1 from claims where id in (select claim from (${named}) n) and employer = ${taxpayer.index}
      order by id for update`;
    const rows = await tx<
      (RowOf<"external_invoices", "claim" | "number" | "employer" | "document" | "holder"> & {
        state: ClaimStatus;
        year: number;
      })[]
    >`
      select e.claim, e.number, e.employer, e.document, e.holder, c.state, n.year
      from (${named}) n join external_invoices e on e.claim = n.claim join claims c on c.id = e.claim
      where c.state = any(${[...claimsInForce]}::text[]) order by e.claim`;
    const isOwn = ({ employer }: { employer: number }) => employer === taxpayer.index;
    const among = rows.some(isOwn) ? rows.filter(isOwn) : rows;
    const newest = Math.max(...among.map(({ year }) => year));
    const employers = await taxpayers.byIndexes(tx, [...new Set(rows.map((row) => row.employer))]);
    return rows
      .filter(({ year }) => year === newest)
      .map(({ claim, number: id, employer, holder, state, year, ...sealed }) => {
        const { number, document, issueDay } = openKept(vault, { claim, ...sealed });
        return {
          claim,
          ids: [id],
          number,
          employer,
          holder,
          state,
          year,
          account: employers.get(employer)?.account ?? holder,
          stated: statedBy({ document, issueDay }),
          payable: payableOf(document),
        };
      });
  }

  /**
   * Stores what a credit note does to a registration, and tells the employer that has it, the
   * holder for whom it is claimed, and the bureau.
   */
  async function store(
    tx: Tx,
    original: Omit<InForce, "year" | "state">,
    { note, effect, differs, taken }: Met,
    late: boolean,
  ): Promise<void> {
    const sealed: SealedEffect = {
      note: { number: note.number, amount: note.credit.amount },
      original: original.number,
      currency: original.stated.currency,
      taken,
      differs,
    };
    const { claim, employer } = original;
    await tx`
      insert into external_credit_effects (credit, claim, employer, effect, late, sealed)
      values (${note.id}, ${claim}, ${employer}, ${effect}, ${late},
        ${vault.seal("documents", `${context(note.id)}/${claim}`, JSON.stringify(sealed))})`;
    if (counts({ effect }))
      await tx`
        delete from external_credit_originals o where o.credit = ${note.id} and o.year <> (
          select max(year) from external_credit_originals
          where credit = ${note.id} and number in (select number from claim_invoices where claim = ${claim}))`;
    const own = note.employer === employer;
    await notify(tx, [
      {
        type: "external.credited",
        number: original.ids[0] as string,
        accounts: own ? [original.account, original.holder] : [original.account],
        data: { effect, claim, overpaid: late, ...(own && { credit: note.id }) },
        bureau: { employer, recorder: note.employer, credit: note.id },
      },
    ]);
  }

  /** What is left of a registration in force, by the effects that are stored. */
  async function restOf(tx: Tx, original: InForce): Promise<Amounts> {
    const effects = (await effectsOf(tx, "claim", [original.claim])).get(original.claim) ?? [];
    return less(amountsOf(original), effects.map(takenOf));
  }

  /** What recording would do. */
  async function meetings(
    tx: Tx,
    examined: Examined,
    isHeld: boolean,
  ): Promise<{ original: InForce; meeting: Meeting; taken: Taken; late: boolean }[]> {
    const all = [];
    for (const original of await registered(tx, examined, isHeld)) {
      const meeting = meet(original, examined, await restOf(tx, original));
      const numbers = await tx<RowOf<"claim_invoices", "number">[]>`
        select number from claim_invoices where claim = ${original.claim}`;
      const late =
        meeting.taken.payable > 0n &&
        (original.state === "reimbursed" ||
          (await isBeingReimbursed(
            tx,
            numbers.map(({ number }) => number),
          )));
      const taken = textOf(meeting.taken, original.stated.currency);
      all.push({ original, meeting, taken, late });
    }
    return all;
  }

  return {
    ...reading,
    effectsOf,

    /**
     * Records a credit note, once: `isNew` is false if the employer has recorded it before. Throws
     * what a registration throws about a document itself, and external-conflict.
     */
    async record(
      tx: Tx,
      caller: Caller,
      read: ReadInvoice,
    ): Promise<{ note: CreditNote; isNew: boolean }> {
      const examined = await examine(tx, caller, read);
      const { taxpayer, ids, targets, document, number } = examined;
      await holdNames(tx, [
        ...ids.map((id) => `external-credit/${taxpayer.index}/${id}`),
        ...targets.map((target) => `external/${target.number}`),
      ]);
      const known = await recordedAs(tx, examined);
      if (known) {
        checkSame(known, examined);
        return { note: known, isNew: false };
      }
      const [made] = await tx<{ id: string }[]>`select uuidv7() as id`;
      const { id } = made as { id: string };
      const kept: KeptCredit = { number, document, issueDay: read.issueDay };
      const source =
        read.source === undefined
          ? null
          : vault.seal("documents", `${context(id)}/source`, read.source.bytes);
      const [row] = await tx<Pick<CreditRow, "created_at">[]>`
        insert into external_credits (id, number, employer, document, source)
        values (${id}, ${ids[0] as string}, ${taxpayer.index},
          ${vault.seal("documents", context(id), canonicalJson(kept))}, ${source}) returning created_at`;
      await tx`
        insert into external_credit_ids (employer, number, credit)
        select ${taxpayer.index}, number, ${id} from unnest(${[...ids]}::numeric[]) as n (number)`;
      await tx`
        insert into external_credit_originals (credit, number, year)
        select ${id}, number, year from unnest(${targets.map((each) => each.number)}::numeric[],
          ${targets.map(({ year }) => year)}::int[]) as t (number, year) on conflict do nothing`;
      const note: CreditNote = { ...examined, id, at: (row as CreditRow).created_at };
      for (const { original, meeting, taken, late } of await meetings(tx, examined, true))
        await store(tx, original, { ...meeting, note, taken }, late);
      return { note, isNew: true };
    },

    /**
     * What recording a credit note would do to the employer's own registrations. Nothing is
     * written. Throws what `record` throws.
     */
    async look(tx: Tx, caller: Caller, read: ReadInvoice) {
      const examined = await examine(tx, caller, read);
      const known = await recordedAs(tx, examined);
      if (known) checkSame(known, examined);
      const effects = known ? [] : await meetings(tx, examined, false);
      return {
        examined,
        known,
        effects: effects.filter(({ original }) => original.employer === examined.employer),
      };
    },

    /**
     * What the recorded credit notes do to an invoice that is about to be registered, oldest first.
     * The caller holds its ids (`holdNames`).
     */
    async against(tx: Tx, original: Original): Promise<Met[]> {
      const rows = await tx<CreditRow[]>`
        select c.id, c.number, c.employer, c.document, c.created_at from external_credits c
        where c.id in (select credit from external_credit_originals where number = any(${[...original.ids]}::numeric[]))
        order by c.id`;
      let rest = amountsOf(original);
      return rows.map(open).map((note) => {
        const meeting = meet(original, note, rest);
        rest = less(rest, [meeting.taken]);
        return { ...meeting, note, taken: textOf(meeting.taken, original.stated.currency) };
      });
    },

    /** Why an invoice cannot be claimed any more; undefined if something is left of it. */
    usedUp(original: Original, all: readonly Met[]): Problem | undefined {
      const { currency } = original.stated;
      const taken = all.map((met) => takenOf({ currency, taken: met.taken }));
      const taking = all.filter(counts);
      if (taking.length === 0 || !isUsedUp(less(amountsOf(original), taken), taken))
        return undefined;
      const notes = taking.map(({ note }) => ({
        credit: note.id,
        number: note.number,
        amount: note.credit.amount,
      }));
      return new Problem(
        "external-credited",
        `Nothing is left of invoice ${original.number}: ${notes.map(({ number }) => number).join(", ")} takes it back`,
        { extra: { original: { id: externalHex(original.ids[0] as string) }, creditNotes: notes } },
      );
    },

    /** Stores what `against` has found, with the claim that was made. */
    async bind(
      tx: Tx,
      original: Original & { claim: string; holder: string; account: string },
      all: readonly Met[],
    ): Promise<void> {
      for (const met of all) await store(tx, original, met, false);
    },

    /**
     * To be called before an employer reimburses a claim: throws external-credited if nothing is
     * left of its invoice. What is known now is not reimbursed too much.
     */
    async checkPayable(tx: Tx, claim: string, numbers: readonly string[]): Promise<void> {
      const [held] = await tx<{ state: ClaimStatus }[]>`
        select state from claims where id = ${claim} for update`;
      if (held?.state !== "claimed") return;
      const effects = ((await effectsOf(tx, "claim", [claim])).get(claim) ?? []).filter(counts);
      const [first] = effects;
      if (first === undefined || (await isBeingReimbursed(tx, numbers))) return;
      const [row] = await tx<RowOf<"external_invoices", "document">[]>`
        select document from external_invoices where claim = ${claim}`;
      const { document, issueDay } = openKept(vault, { claim, ...(row as { document: Buffer }) });
      const stated = statedBy({ document, issueDay });
      const all = amountsOf({ employer: first.employer, stated, payable: payableOf(document) });
      const taken = effects.map(takenOf);
      if (isUsedUp(less(all, taken), taken))
        throw new Problem(
          "external-credited",
          `Nothing is left of invoice ${first.original}: ` +
            `${effects.map(({ note }) => note.number).join(", ")} takes it back. Reject the claim`,
          {
            extra: {
              original: { id: externalHex(first.number), claim },
              creditNotes: effects.map(({ credit, note }) => ({ credit, ...note })),
            },
          },
        );
      await tx`update external_credit_effects set late = false where claim = ${claim} and late`;
    },
  };
}
