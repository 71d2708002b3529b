/**
 * Credit notes of invoices issued elsewhere, and what they do to registrations, as they are stored
 * and listed. external-credits.ts records them.
 *
 * An effect is late if its claim was reimbursed before, or was about to be: then it is a sum that
 * was reimbursed too much, until the employer marks it as recovered. Any other is deducted from the
 * claim. Owns `external_credits` and `external_credit_effects`.
 */
import { type Credit, type CreditEffect, creditOf } from "@onepiao/protocol/formats/credit.ts";
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { type FormatName, formatOf } from "@onepiao/protocol/formats/formats.ts";
import { externalHex } from "@onepiao/protocol/ledger/external.ts";
import type { Fact, Stated } from "@onepiao/protocol/ledger/identity.ts";
import {
  decimalsOf,
  formatMoney,
  formatTotal,
  parseMoney,
} from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import type { Query, Tx } from "../../db/db.ts";
import { inOrder, LOOK, pageOfIds } from "../../db/lists.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Caller } from "../../kernel/api.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Amount } from "../invoices/invoices.ts";
import type { Taxpayers } from "../parties/taxpayers.ts";
import type { ClaimStatus } from "./claim-records.ts";
import { type Amounts, less } from "./credit-effects.ts";
import { statedBy } from "./external-checks.ts";

/** What stands sealed of a credit note. */
export type KeptCredit = {
  number: string;
  document: InvoiceDocument;
  issueDay?: string | undefined;
};
export type CreditRow = RowOf<
  "external_credits",
  "id" | "number" | "employer" | "document" | "created_at"
>;
/** A credit note. `number`: under which it was issued; `hex`: its id. */
export type CreditNote = {
  id: string;
  hex: string;
  number: string;
  employer: number;
  document: InvoiceDocument;
  stated: Stated;
  credit: Credit;
  at: Date;
};
/** What stands sealed of an effect. `taken`: in the original's currency. */
export type SealedEffect = {
  note: { number: string; amount: string };
  original: string;
  currency: string;
  taken: { gross: string; payable: string };
  differs: readonly Fact[];
};
/** An effect. `number`: of the original, on the ledger; `employer`: from which it is claimed. */
export type Effect = SealedEffect & {
  id: string;
  credit: string;
  claim: string;
  number: string;
  employer: number;
  state: ClaimStatus;
  effect: CreditEffect;
  late: boolean;
  recovered_at: Date | null;
};
type EffectRow = Omit<Effect, keyof SealedEffect> & { sealed: Buffer };
export type Sum = { currency: string; amount: string; count: number };
export type CreditRecords = ReturnType<typeof createCreditRecords>;

/** How many sums reimbursed too much are added up. */
const ADDED = 10_000;

/** Whether an effect takes something from its claim, or would if anything were left. */
export const counts = ({ effect }: { effect: CreditEffect }): boolean =>
  effect === "reduces" || effect === "exceeds";
/** Whether it is a sum that was reimbursed too much. */
export const isOverpaid = ({ late, state }: Pick<Effect, "late" | "state">): boolean =>
  late && state === "reimbursed";

export const takenOf = ({ currency, taken }: Pick<SealedEffect, "currency" | "taken">): Amounts => {
  const decimals = decimalsOf(currency);
  return {
    gross: parseMoney(taken.gross, decimals),
    payable: parseMoney(taken.payable, decimals),
  };
};

/** The amounts of a claim less what its effects took before it was reimbursed. */
export function lessCredits(amount: Amount, effects: readonly Effect[] = []): Amount {
  const decimals = decimalsOf(amount.currency);
  const all = {
    gross: parseMoney(amount.gross, decimals),
    payable: parseMoney(amount.payable, decimals),
  };
  const { gross, payable } = less(all, effects.filter((each) => !isOverpaid(each)).map(takenOf));
  return {
    currency: amount.currency,
    gross: formatMoney(gross, decimals),
    payable: formatMoney(payable, decimals),
  };
}

/** Where a credit note's parts stand sealed. */
export const creditContext = (id: string): string => `external-credit/${id}`;

export function createCreditRecords({ vault, taxpayers }: { vault: Vault; taxpayers: Taxpayers }) {
  const context = creditContext;

  function open({ id, number: own, employer, document: sealed, created_at }: CreditRow) {
    const { number, document, issueDay } = JSON.parse(
      vault.open("documents", context(id), sealed).toString(),
    ) as KeptCredit;
    const note: CreditNote = {
      id,
      hex: externalHex(own),
      number,
      employer,
      document,
      stated: statedBy({ document, issueDay }),
      credit: creditOf(document) as Credit,
      at: created_at,
    };
    return note;
  }

  const selectEffects = (tx: Tx) => tx`
    select f.id, f.credit, f.claim, f.effect, f.late, f.sealed, f.recovered_at, e.number, e.employer, c.state
    from external_credit_effects f join external_invoices e on e.claim = f.claim join claims c on c.id = f.claim`;
  function openEffect({ sealed, ...row }: EffectRow): Effect {
    const text = vault.open("documents", `${context(row.credit)}/${row.claim}`, sealed);
    return { ...row, ...(JSON.parse(text.toString()) as SealedEffect) };
  }

  /** Which rows a caller sees: the bureau all, an employer its own. */
  async function scopeOf(tx: Tx, { account, roles }: Caller): Promise<() => Query<unknown>> {
    if (roles.includes("bureau")) return () => tx`true`;
    const self = await taxpayers.byAccount(tx, account);
    return () => tx`employer = ${self?.index ?? -1}`;
  }

  async function find(tx: Tx, caller: Caller, id: string): Promise<CreditRow> {
    const scope = await scopeOf(tx, caller);
    const [row] = await tx<CreditRow[]>`
      select id, number, employer, document, created_at from external_credits where id = ${id} and ${scope()}`;
    if (!row)
      throw new Problem("not-found", "There is no credit note with this id that you have recorded");
    return row;
  }

  return {
    open,

    /** The effects of these credit notes, or on these claims, in the order of their making. */
    async effectsOf(
      tx: Tx,
      by: "credit" | "claim",
      ids: readonly string[],
    ): Promise<Map<string, Effect[]>> {
      if (ids.length === 0) return new Map();
      const rows = await tx<EffectRow[]>`
        ${selectEffects(tx)} where ${by === "credit" ? tx`f.credit` : tx`f.claim`} = any(${[...ids]}::uuid[]) order by f.id`;
      return Map.groupBy(rows.map(openEffect), (effect) => effect[by]);
    },

    get: async (tx: Tx, caller: Caller, id: string): Promise<CreditNote> =>
      open(await find(tx, caller, id)),

    /** The original, byte for byte; undefined when none is kept (formats.ts). */
    async sourceOf(
      tx: Tx,
      caller: Caller,
      id: string,
    ): Promise<{ bytes: Buffer; format: FormatName } | undefined> {
      const row = await find(tx, caller, id);
      const [kept] = await tx<RowOf<"external_credits", "source">[]>`
        select source from external_credits where id = ${id}`;
      if (!kept?.source) return undefined;
      const bytes = vault.open("documents", `${context(id)}/source`, kept.source);
      return { bytes, format: formatOf(open(row).document) };
    },

    /** Credit notes, newest first. `doubtful`: only those that do not fit an original. */
    async list(
      tx: Tx,
      caller: Caller,
      filter: { before?: string | undefined; limit: number; doubtful: boolean },
    ): Promise<{ items: CreditNote[]; next: string | undefined }> {
      const { before, limit, doubtful } = filter;
      const scope = await scopeOf(tx, caller);
      const after = before === undefined ? tx`true` : tx`id < ${before}`;
      const fits = doubtful
        ? tx`exists (select 1 from external_credit_effects f where f.credit = c.id and f.effect <> 'reduces')`
        : tx`true`;
      const { ids, next } = await pageOfIds(tx, {
        parts: [
          tx`select id, (${fits}) as fits from external_credits c where ${scope()} and ${after}`,
        ],
        limit,
        looks: doubtful ? LOOK : undefined,
      });
      const rows = await tx<CreditRow[]>`
        select id, number, employer, document, created_at from external_credits where id = any(${ids}::uuid[])`;
      return { items: inOrder(ids, rows).map(open), next };
    },

    /**
     * Sums reimbursed too much, newest first. With the first page also what they add up to, by
     * currency; `isAll`: not if there are more than ADDED.
     */
    async overpaid(
      tx: Tx,
      caller: Caller,
      filter: { before?: string | undefined; limit: number; recovered: boolean },
    ): Promise<{
      items: Effect[];
      next: string | undefined;
      sums: { all: Sum[]; isAll: boolean } | undefined;
    }> {
      const { before, limit, recovered } = filter;
      const scope = await scopeOf(tx, caller);
      const settled = recovered ? tx`recovered_at is not null` : tx`recovered_at is null`;
      const after = before === undefined ? tx`true` : tx`id < ${before}`;
      const { ids, next } = await pageOfIds(tx, {
        parts: [
          tx`select id, (exists (select 1 from claims c where c.id = f.claim and c.state = 'reimbursed')) as fits
             from external_credit_effects f where late and ${settled} and ${scope()} and ${after}`,
        ],
        limit,
        looks: LOOK,
      });
      const rows = await tx<EffectRow[]>`${selectEffects(tx)} where f.id = any(${ids}::uuid[])`;
      const items = inOrder(ids, rows).map(openEffect);
      if (before !== undefined) return { items, next, sums: undefined };
      const whole = recovered ? tx`f.recovered_at is not null` : tx`f.recovered_at is null`;
      const added = await tx<EffectRow[]>`
        ${selectEffects(tx)} where f.late and ${whole} and f.id in (
          select id from external_credit_effects where late and ${scope()}) and c.state = 'reimbursed'
        order by f.id desc limit ${ADDED}`;
      const sums = [...Map.groupBy(added.map(openEffect), ({ currency }) => currency)].map(
        ([currency, effects]): Sum => ({
          currency,
          amount: formatTotal(
            effects.reduce((sum, effect) => sum + takenOf(effect).payable, 0n),
            decimalsOf(currency),
          ),
          count: effects.length,
        }),
      );
      return { items, next, sums: { all: sums, isAll: added.length < ADDED } };
    },

    /** The employer has the sum back; saying so again changes nothing. */
    async recover(tx: Tx, caller: Caller, id: string): Promise<Effect> {
      const scope = await scopeOf(tx, { ...caller, roles: ["employer"] });
      await tx`
        update external_credit_effects set recovered_at = now()
        where id = ${id} and late and recovered_at is null and ${scope()}
          and exists (select 1 from claims c where c.id = claim and c.state = 'reimbursed')`;
      const [row] = await tx<EffectRow[]>`
        ${selectEffects(tx)} where f.recovered_at is not null and f.id in (
          select id from external_credit_effects where id = ${id} and ${scope()})`;
      if (!row)
        throw new Problem("not-found", "There is no sum with this id that you reimbursed too much");
      return openEffect(row);
    },
  };
}
