/**
 * What a credit note does to the registration of its original. Pure.
 *
 * | effect | when | it counts |
 * | --- | --- | --- |
 * | reduces | the employer of the registration has recorded the credit note | yes |
 * | exceeds | the same, and there is less left of the original | as far as there is |
 * | differs | the same, with another seller, currency or day | no |
 * | several | it names several invoices, and does not say how much of which | no |
 * | other-employer | another employer has recorded it | no |
 *
 * No signature in a file is checked, so a credit note proves nothing: it counts for the employer
 * that has it, and is no more than a warning to others. Otherwise anybody could stop a claim of
 * somebody else with a file of his own.
 */
import type { Credit, CreditEffect } from "@onepiao/protocol/formats/credit.ts";
import { differences, type Fact, type Stated } from "@onepiao/protocol/ledger/identity.ts";
import { decimalsOf, parseMoney } from "@onepiao/protocol/values/money.ts";

/** Amounts in the smallest unit: of the gross, and of what is to be paid. */
export type Amounts = { gross: bigint; payable: bigint };
/** The registered original. `payable`: as in its document. */
export type Registration = { employer: number; stated: Stated; payable: string };
/** A credit note. `stated`: its own facts. */
export type Recorded = { employer: number; stated: Stated; credit: Credit };
export type Meeting = { effect: CreditEffect; differs: readonly Fact[]; taken: Amounts };

const nothing: Amounts = { gross: 0n, payable: 0n };
const DAY_MS = 86_400_000;

export const amountsOf = ({ stated, payable }: Registration): Amounts => {
  const decimals = decimalsOf(stated.currency);
  return { gross: parseMoney(stated.gross, decimals), payable: parseMoney(payable, decimals) };
};
export const less = (all: Amounts, taken: readonly Amounts[]): Amounts =>
  taken.reduce(
    ({ gross, payable }, each) => ({ gross: gross - each.gross, payable: payable - each.payable }),
    all,
  );

/**
 * Whether nothing is to be paid any more: everything is taken back, or all that was to be paid. An
 * invoice that was prepaid in full is not used up by that.
 */
export const isUsedUp = (rest: Amounts, taken: readonly Amounts[]): boolean =>
  rest.gross <= 0n || (rest.payable <= 0n && taken.some(({ payable }) => payable > 0n));

/** In what a credit note contradicts the invoice that it names. Its own total may be any part. */
function contradictions(registered: Stated, { stated, credit }: Recorded): Fact[] {
  const [named] = credit.originals;
  const days = named?.date === undefined ? registered.days : [named.date];
  const facts = differences(registered, { ...stated, days, gross: registered.gross });
  const first = Math.min(...registered.days.map((day) => Date.parse(day)));
  const isBefore = stated.days.every((day) => Date.parse(day) < first - DAY_MS);
  return isBefore && !facts.includes("date") ? [...facts, "date"] : facts;
}

/** `rest`: what earlier credit notes have left of the original. */
export function meet(registered: Registration, recorded: Recorded, rest: Amounts): Meeting {
  const without = (effect: CreditEffect, differs: readonly Fact[] = []): Meeting => ({
    effect,
    differs,
    taken: nothing,
  });
  if (recorded.employer !== registered.employer) return without("other-employer");
  if (recorded.credit.originals.length > 1) return without("several");
  const differs = contradictions(registered.stated, recorded);
  if (differs.length > 0) return without("differs", differs);
  const amount = parseMoney(recorded.credit.amount, decimalsOf(registered.stated.currency));
  const atMost = (left: bigint) => (left <= 0n ? 0n : amount < left ? amount : left);
  const taken = { gross: atMost(rest.gross), payable: atMost(rest.payable) };
  return { effect: amount > rest.gross ? "exceeds" : "reduces", differs: [], taken };
}
