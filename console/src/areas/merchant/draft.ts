/**
 * The form of an invoice, and the invoice that it makes.
 *
 * Owns: reading figures as people type them, and all that follows from them (lines, tax, totals),
 * in whole cents and with the gateway's own arithmetic, so the form shows the gateway's sums.
 * Invariants: a discount is a line of its own, directly behind the line that it belongs to. With
 * prices that include tax, a line's gross is what was typed.
 */
import { createSplitter } from "@onepiao/protocol/formats/gross.ts";
import {
  amountTimesRate,
  chineseFigures,
  formatMoney,
  moneyLimit,
  normaliseDecimal,
  normaliseMoney,
  parseMoney,
  quantityTimesPrice,
  unitPriceOf,
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
/** `inclusive`: prices, amounts and discounts are typed with tax inside. */
export type Draft = {
  kind: "ordinary" | "special";
  inclusive?: boolean | undefined;
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

/**
 * In cents, without tax. `amount` and what follows from it may exceed the largest amount: see
 * `reckon`. `unitPrice`: set if quantity and price determine the amount.
 */
export type Reckoned = {
  amount: bigint;
  tax: bigint;
  discount: bigint;
  discountTax: bigint;
  unitPrice: string | undefined;
};

/** Whether quantity and unit price determine the amount. */
export const hasPrice = ({ quantity, unitPrice }: DraftLine) =>
  figureOf(quantity) !== "" && figureOf(unitPrice) !== "";

/** Net and tax of an amount that was typed without tax. */
const addTax = (net: bigint, rate: string) => ({ net, tax: taxOf(net, rate) });

/**
 * The sums of a line. Undefined while the line is incomplete. `split`: of the invoice, if prices
 * have the tax inside; lines are passed in their order, each once.
 */
export function reckonLine(
  line: DraftLine,
  split?: ReturnType<typeof createSplitter>,
): Reckoned | undefined {
  const [quantity, price] = [decimalOf(line.quantity), decimalOf(line.unitPrice)];
  const typed = moneyOf(line.amount);
  const byQuantity = hasPrice(line);
  if (byQuantity ? quantity === undefined || price === undefined : typed === undefined)
    return undefined;
  const stated = byQuantity
    ? quantityTimesPrice(quantity as string, price as string)
    : parseMoney(typed as string);
  const off = figureOf(line.discount) === "" ? "0.00" : moneyOf(line.discount);
  if (off === undefined) return undefined;
  const partsOf = split ?? addTax;
  const rate = line.taxRate ?? "0";
  const { net, tax } = partsOf(stated, rate);
  const less = partsOf(-parseMoney(off), rate);
  // a quantity of nothing has no price without tax
  const netPrice = split === undefined ? price : (unitPriceOf(net, quantity ?? "1") ?? "0");
  return {
    amount: net,
    tax,
    discount: -less.net,
    discountTax: -less.tax,
    unitPrice: byQuantity ? netPrice : undefined,
  };
}

/** The sums of each line. */
export function reckonLines(
  lines: readonly DraftLine[],
  inclusive = false,
): (Reckoned | undefined)[] {
  const split = inclusive ? createSplitter() : undefined;
  return lines.map((line) => reckonLine(line, split));
}

export type Totals = { net: string; tax: string; gross: string; words: string };

/** The sums of all complete lines. Undefined if a line or a total exceeds the largest amount. */
export function reckon(lines: readonly DraftLine[], inclusive = false): Totals | undefined {
  const reckoned = reckonLines(lines, inclusive).filter((line) => line !== undefined);
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

export const documentLines = (
  lines: readonly DraftLine[],
  inclusive = false,
): { line: Line; from: Origin }[] => {
  const reckoned = reckonLines(lines, inclusive);
  return lines.flatMap((draft, at) => {
    const sums = reckoned[at];
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
      ...(sums.unitPrice === undefined
        ? {}
        : { quantity: decimalOf(draft.quantity), unitPrice: sums.unitPrice }),
      ...plain(sums.amount, sums.tax),
    };
    const off =
      sums.discount === 0n
        ? []
        : [{ line: plain(-sums.discount, -sums.discountTax), from: { line: at, discount: true } }];
    return [{ line: item, from: { line: at, discount: false } }, ...off];
  });
};

export type Currency = Schemas["InvoiceRequest"]["currency"];
type Terms = { seller: { taxId: string; name: string }; currency: Currency; issuedAt: string };

export function documentOf(draft: Draft, { seller, currency, issuedAt }: Terms) {
  const totals = reckon(draft.lines, draft.inclusive);
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
    lines: documentLines(draft.lines, draft.inclusive).map(({ line }) => line),
    totals: { net, tax, gross },
    ...presentMembers({
      remark: draft.remark,
      drawer: draft.drawer,
      sourceId: draft.sourceId,
      holder: draft.holder,
    }),
  } satisfies Schemas["InvoiceRequest"];
}

const lineFields = new Set(["name", "spec", "unit", "quantity", "unitPrice", "taxRate"]);

/** The form's field for a pointer of the gateway such as `/lines/2/amount`. */
export function fieldOf(draft: Draft, pointer: string): (string | number)[] | undefined {
  const [, part = "", at = "", member = ""] = pointer.split("/");
  if (part === "buyer")
    return (details as readonly string[]).includes(at) ? ["buyer", at] : undefined;
  if (["kind", "remark", "drawer", "sourceId", "holder"].includes(part)) return [part];
  if (part !== "lines" || !/^\d+$/.test(at)) return undefined;
  const origin = documentLines(draft.lines, draft.inclusive)[Number(at)]?.from;
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
  elements,
  taxBreakdown,
  lines,
}: Schemas["InvoiceDocument"]): boolean =>
  [allowances, passengers, elements, taxBreakdown].some((part) => part !== undefined) ||
  lines.some((line) => line.allowances !== undefined || line.baseQuantity !== undefined);

type DocumentLine = Schemas["InvoiceDocument"]["lines"][number];
/** The typed figures of a document's line: with tax inside, or without. */
function figuresOf({ quantity, unitPrice, amount, tax }: DocumentLine, inclusive: boolean) {
  const stated = inclusive ? formatMoney(parseMoney(amount) + parseMoney(tax ?? "0.00")) : amount;
  if (quantity === undefined) return { amount: stated };
  const gross = inclusive ? unitPriceOf(parseMoney(stated), quantity) : undefined;
  return { quantity, unitPrice: gross ?? unitPrice };
}

function draftLines(lines: readonly DocumentLine[], inclusive: boolean): DraftLine[] {
  const drafts: DraftLine[] = [];
  for (const line of lines) {
    const before = drafts.at(-1);
    const { name, spec, unit, taxRate, discount } = line;
    const figures = figuresOf(line, inclusive);
    if (discount && before) before.discount = figures.amount?.replace("-", "");
    else drafts.push({ name, spec, unit, taxRate, ...figures });
  }
  return drafts;
}

/**
 * A draft with the content of a document, to be corrected. Its prices have the tax inside if the
 * document's totals are not those of prices without it. Leaves out content without a field.
 */
export function draftOf({
  kind,
  buyer,
  lines,
  totals,
  remark,
  drawer,
}: Schemas["InvoiceDocument"]): Draft {
  const without = draftLines(lines, false);
  const reckoned = reckon(without);
  const inclusive = reckoned?.net !== totals.net || reckoned.tax !== totals.tax;
  const { taxId, name, address, phone, bankName, bankAccount } = buyer;
  return {
    kind,
    inclusive,
    buyer: { taxId, name, address, phone, bankName, bankAccount },
    lines: inclusive ? draftLines(lines, true) : without,
    remark,
    drawer,
  };
}
