/**
 * Sums of what invoices say: how much, as opposed to how many, which the chain says. They stand
 * sealed (vault, "stats"), each bound to its bucket, so that one cannot be put in another's place.
 */
import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { tradeOf } from "@onepiao/protocol/formats/trade.ts";
import { formatTotal, parseMoney } from "@onepiao/protocol/values/money.ts";
import type { Vault } from "../../keys/vault.ts";
import type { Grain } from "./stats-buckets.ts";

type Sum = { invoices: number; redLetters: number; gross: bigint; tax: bigint };
/** A sum as the API shows it: amounts by currency, because currencies do not add up. */
export type SumView = {
  documented: number;
  redLetters: number;
  amounts: { currency: string; gross: string; tax: string }[];
};

/**
 * Sums of one bucket by part and currency. A part is the whole (""), a region ("r44") or a trade
 * ("catering").
 */
export type Sums = Map<string, Sum>;

export const keyOf = (part: string, currency: string) => `${part} ${currency}`;

function addTo(sums: Sums, key: string, { invoices, redLetters, gross, tax }: Sum): void {
  const sum = sums.get(key) ?? { invoices: 0, redLetters: 0, gross: 0n, tax: 0n };
  sum.invoices += invoices;
  sum.redLetters += redLetters;
  sum.gross += gross;
  sum.tax += tax;
  sums.set(key, sum);
}

export function merge(into: Sums, sums: Sums): Sums {
  for (const [key, sum] of sums) addTo(into, key, sum);
  return into;
}

/** Adds one invoice to the sums of its bucket; a red letter takes its amounts off. */
export function addInvoice(
  sums: Sums,
  number: string,
  { currency, totals, lines }: InvoiceDocument,
  parts: "parts" | "whole",
): void {
  // another gateway may have sealed and deposited anything
  if (!/^[A-Z]{3}$/.test(currency)) throw new RangeError(`no currency: ${currency.slice(0, 10)}`);
  const [gross, tax] = [parseMoney(totals.gross), parseMoney(totals.tax)];
  const sum = { invoices: 1, redLetters: gross < 0n ? 1 : 0, gross, tax };
  addTo(sums, keyOf("", currency), sum);
  if (parts === "whole") return;
  addTo(sums, keyOf(`r${number.slice(2, 4)}`, currency), sum);
  addTo(sums, keyOf(tradeOf({ lines }), currency), sum);
}

/** The sum of one part: the whole, a region or a trade. */
export function viewOf(sums: Sums, part: string): SumView {
  const entries = [...sums].filter(([key]) => key.slice(0, key.lastIndexOf(" ")) === part);
  return {
    documented: entries.reduce((total, [, sum]) => total + sum.invoices, 0),
    redLetters: entries.reduce((total, [, sum]) => total + sum.redLetters, 0),
    amounts: entries
      .map(([key, { gross, tax }]) => ({
        currency: key.slice(-3),
        gross: formatTotal(gross),
        tax: formatTotal(tax),
      }))
      .sort((a, b) => (a.currency < b.currency ? -1 : 1)),
  };
}

export const partsOf = (sums: Sums): string[] => [
  ...new Set([...sums.keys()].map((key) => key.slice(0, key.lastIndexOf(" ")))),
];

export function createSumsVault(vault: Vault) {
  const context = (grain: Grain, start: Date, issuer: number) =>
    `stats/${grain}/${start.getTime()}/${issuer}`;
  return {
    /** @param issuer 0: of all issuers */
    seal(grain: Grain, start: Date, issuer: number, sums: Sums): Buffer {
      const rows = [...sums].map(([key, { invoices, redLetters, gross, tax }]) => [
        key,
        invoices,
        redLetters,
        gross.toString(),
        tax.toString(),
      ]);
      return vault.seal("stats", context(grain, start, issuer), JSON.stringify(rows));
    },
    open(grain: Grain, start: Date, issuer: number, sealed: Uint8Array): Sums {
      const rows = JSON.parse(
        vault.open("stats", context(grain, start, issuer), sealed).toString(),
      ) as [string, number, number, string, string][];
      return new Map(
        rows.map(([key, invoices, redLetters, gross, tax]) => [
          key,
          { invoices, redLetters, gross: BigInt(gross), tax: BigInt(tax) },
        ]),
      );
    },
  };
}
