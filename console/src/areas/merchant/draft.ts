/**
 * The form of an invoice, and the invoice that it makes.
 *
 * Owns: reading figures as people type them, and all that follows from them (lines, tax, totals),
 * in whole cents and with the gateway's own arithmetic, so the form shows the gateway's sums.
 * Invariant: a discount is a line of its own, directly behind the line that it belongs to.
 */
import {
  amountTimesRate,
  chineseFigures,
  formatMoney,
  moneyLimit,
  normaliseDecimal,
  normaliseMoney,
  parseMoney,
  quantityTimesPrice,
} from "@onepiao/protocol/values/money.ts";
import type { Schemas } from "../../shared/client.ts";
import { figureOf } from "../../shared/typed.ts";

export type DraftLine = {
  name?: string | undefined;
  spec?: string | undefined;
  unit?: string | undefined;
  quantity?: string | undefined;
  unitPrice?: string | undefined;
  amount?: string | undefined;
  taxRate?: string | undefined;
  discount?: string | undefined;
};
const details = ["taxId", "name", "address", "phone", "bankName", "bankAccount"] as const;
type Details = (typeof details)[number];
export type Draft = {
  kind: "ordinary" | "special";
  buyer: Partial<Record<Details, string | undefined>>;
  lines: DraftLine[];
  remark?: string | undefined;
  drawer?: string | undefined;
  sourceId?: string | undefined;
  holder?: string | undefined;
};

/** The API's words for exempt and not taxed. */
const untaxed = ["免税", "不征税"] as const;
export const rates = [
  "0.13",
  "0.09",
  "0.06",
  "0.05",
  "0.03",
  "0.015",
  "0.01",
  "0",
  ...untaxed,
] as const;
export const isUntaxed = (rate: string) => (untaxed as readonly string[]).includes(rate);

/** A typed amount as the API writes it. Undefined if it is not an amount, or negative. */
export function moneyOf(text: string | undefined): string | undefined {
  const amount = normaliseMoney(figureOf(text));
  return amount === undefined || amount.startsWith("-") ? undefined : amount;
}
/**
 * A typed quantity or unit price as the API writes it. Undefined if it is not a number, or
 * negative.
 */
export function decimalOf(text: string | undefined): string | undefined {
  const decimal = normaliseDecimal(figureOf(text));
  return decimal === undefined || decimal.startsWith("-") ? undefined : decimal;
}

const taxOf = (cents: bigint, rate: string | undefined) =>
  rate === undefined || isUntaxed(rate) ? 0n : amountTimesRate(cents, rate);

/** In cents. `amount` and what follows from it may exceed the largest amount: see `reckon`. */
export type Reckoned = {
  amount: bigint;
  tax: bigint;
  discount: bigint;
  discountTax: bigint;
  byQuantity: boolean;
};

/** Whether quantity and unit price determine the amount. */
export const hasPrice = ({ quantity, unitPrice }: DraftLine) =>
  figureOf(quantity) !== "" && figureOf(unitPrice) !== "";

/** The sums of a line. Undefined while the line is incomplete. */
export function reckonLine(line: DraftLine): Reckoned | undefined {
  const [quantity, price] = [decimalOf(line.quantity), decimalOf(line.unitPrice)];
  const typed = moneyOf(line.amount);
  const byQuantity = hasPrice(line);
  if (byQuantity ? quantity === undefined || price === undefined : typed === undefined)
    return undefined;
  const amount = byQuantity
    ? quantityTimesPrice(quantity as string, price as string)
    : parseMoney(typed as string);
  const off = figureOf(line.discount) === "" ? "0.00" : moneyOf(line.discount);
  if (off === undefined) return undefined;
  const discount = parseMoney(off);
  return {
    amount,
    tax: taxOf(amount, line.taxRate),
    discount,
    discountTax: taxOf(discount, line.taxRate),
    byQuantity,
  };
}

export type Totals = { net: string; tax: string; gross: string; words: string };

/** The sums of all complete lines. Undefined if a line or a total exceeds the largest amount. */
export function reckon(lines: readonly DraftLine[]): Totals | undefined {
  const reckoned = lines.map(reckonLine).filter((line) => line !== undefined);
  const net = reckoned.reduce((sum, { amount, discount }) => sum + amount - discount, 0n);
  const tax = reckoned.reduce((sum, line) => sum + line.tax - line.discountTax, 0n);
  const gross = net + tax;
  const isBeyond = (cents: bigint) => cents >= moneyLimit || cents <= -moneyLimit;
  if (gross < 0n || [net, tax, gross, ...reckoned.map(({ amount }) => amount)].some(isBeyond))
    return undefined;
  return {
    net: formatMoney(net),
    tax: formatMoney(tax),
    gross: formatMoney(gross),
    words: chineseFigures(gross),
  };
}

type Line = Schemas["InvoiceLine"];
/** The form line that a document line comes from. */
export type Origin = { line: number; discount: boolean };

const presentMembers = <K extends string>(members: Partial<Record<K, string | undefined>>) =>
  Object.fromEntries(
    Object.entries<string | undefined>(members).flatMap(([key, text]) =>
      text?.trim() ? [[key, text.trim()]] : [],
    ),
  ) as Partial<Record<K, string>>;

export const documentLines = (lines: readonly DraftLine[]): { line: Line; from: Origin }[] =>
  lines.flatMap((draft, at) => {
    const sums = reckonLine(draft);
    const name = draft.name?.trim() ?? "";
    const taxRate = draft.taxRate ?? "";
    const plain = (amount: bigint, tax: bigint) => ({
      name,
      amount: formatMoney(amount),
      taxRate,
      tax: formatMoney(tax),
    });
    if (sums === undefined) return [];
    const item: Line = {
      ...presentMembers({ spec: draft.spec, unit: draft.unit }),
      ...(sums.byQuantity
        ? { quantity: decimalOf(draft.quantity), unitPrice: decimalOf(draft.unitPrice) }
        : {}),
      ...plain(sums.amount, sums.tax),
    };
    const off =
      sums.discount === 0n
        ? []
        : [{ line: plain(-sums.discount, -sums.discountTax), from: { line: at, discount: true } }];
    return [{ line: item, from: { line: at, discount: false } }, ...off];
  });

export type Currency = Schemas["InvoiceRequest"]["currency"];
type Terms = { seller: { taxId: string; name: string }; currency: Currency; issuedAt: string };

export function documentOf(
  draft: Draft,
  { seller, currency, issuedAt }: Terms,
): Schemas["InvoiceRequest"] {
  const totals = reckon(draft.lines);
  if (totals === undefined) throw new RangeError("the totals are beyond what an amount may be");
  const { net, tax, gross } = totals;
  const { name = "", ...buyer } = draft.buyer;
  return {
    kind: draft.kind,
    issuedAt,
    currency,
    seller,
    buyer: {
      ...presentMembers(buyer),
      ...(buyer.taxId?.trim() ? { taxId: buyer.taxId.trim().toUpperCase() } : {}),
      name: name.trim(),
    },
    lines: documentLines(draft.lines).map(({ line }) => line),
    totals: { net, tax, gross },
    ...presentMembers({
      remark: draft.remark,
      drawer: draft.drawer,
      sourceId: draft.sourceId,
      holder: draft.holder,
    }),
  };
}

const lineFields = new Set(["name", "spec", "unit", "quantity", "unitPrice", "taxRate"]);

/** The form's field for a pointer of the gateway such as `/lines/2/amount`. */
export function fieldOf(draft: Draft, pointer: string): (string | number)[] | undefined {
  const [, part = "", at = "", member = ""] = pointer.split("/");
  if (part === "buyer")
    return (details as readonly string[]).includes(at) ? ["buyer", at] : undefined;
  if (["kind", "remark", "drawer", "sourceId", "holder"].includes(part)) return [part];
  if (part !== "lines" || !/^\d+$/.test(at)) return undefined;
  const origin = documentLines(draft.lines)[Number(at)]?.from;
  if (origin === undefined) return undefined;
  if (origin.discount) return ["lines", origin.line, "discount"];
  if (member === "tax") return ["lines", origin.line, "taxRate"];
  if (member === "amount")
    return [
      "lines",
      origin.line,
      hasPrice(draft.lines[origin.line] ?? {}) ? "unitPrice" : "amount",
    ];
  return ["lines", origin.line, lineFields.has(member) ? member : "name"];
}

/** Whether a document has content without a field in the form. */
export const isBeyondForm = ({
  allowances,
  passengers,
  taxBreakdown,
  lines,
}: Schemas["InvoiceDocument"]): boolean =>
  [allowances, passengers, taxBreakdown].some((part) => part !== undefined) ||
  lines.some((line) => line.allowances !== undefined || line.baseQuantity !== undefined);

/** A draft with the content of a document, to be corrected. Leaves out content without a field. */
export function draftOf({ kind, buyer, lines, remark, drawer }: Schemas["InvoiceDocument"]): Draft {
  const drafts: DraftLine[] = [];
  for (const { name, spec, unit, quantity, unitPrice, amount, taxRate, discount } of lines) {
    const before = drafts.at(-1);
    if (discount && before) before.discount = amount.replace("-", "");
    else
      drafts.push({
        name,
        spec,
        unit,
        quantity,
        unitPrice,
        taxRate,
        ...(quantity === undefined ? { amount } : {}),
      });
  }
  const { taxId, name, address, phone, bankName, bankAccount } = buyer;
  return {
    kind,
    buyer: { taxId, name, address, phone, bankName, bankAccount },
    lines: drafts,
    remark,
    drawer,
  };
}
