/**
 * What an invoice of EN 16931 states, for the writers of its syntaxes: the model's requirements
 * where a document leaves them open.
 *
 * A writer knows its elements and their order; this file knows what stands in them. Owns:
 * - Tax: a document taxed line by line gets a part for each category and rate, with the sum of its
 *   lines' own tax, so that totals stay the document's to the cent. A part may differ from taxable
 *   × rate by the rounding of its lines (`roundingSlack`); one that differs by more (BR-CO-17)
 *   cannot be written: `obstacles`.
 * - Categories, if the document has none: E for 免税, O for 不征税, Z for a rate of 0, S for any
 *   other. If all are O, tax ids have no scheme VAT (BR-O-02): the buyer's becomes its legal
 *   registration.
 * - A line without quantity has a quantity of one; a discount line, of minus one. Payment terms, a
 *   country, a unit, a reason of an exemption or allowance: if the document has none, the shortest
 *   text that the rules allow.
 *
 * Codes that are not in their list (codes.ts) change: a unit becomes C62, a reason becomes a text,
 * an identifier loses its scheme; an electronic address without a known scheme, and a buyer's
 * identifiers beyond the second, are left out. Does not own: the arithmetic of a document
 * (rules.ts), and what the model means to a reader (en16931-reading.ts).
 */
import {
  amountTimesRate,
  decimalsOf,
  formatMoney,
  fractionToPercent,
  parseMoney,
} from "../values/money.ts";
import type { Violation } from "../values/problems.ts";
import { isChineseTaxId } from "../values/tax-id.ts";
import { allowanceReasons, chargeReasons, countries, endpointSchemes, unitCodes } from "./codes.ts";
import {
  exempt,
  fractionOf,
  type InvoiceDocument,
  type InvoiceLine,
  type Numbers,
  notTaxed,
  onMargin,
} from "./document.ts";
import { isCreditNote, negate, roundingSlack } from "./en16931.ts";
import { creditorScheme, taxIdFrom } from "./en16931-reading.ts";

/**
 * Units in words that have a code of UN/ECE Recommendation 20; a unit that is neither here nor such
 * a code is C62, one.
 */
const unitWords: ReadonlyMap<string, string> = new Map([
  ["千克", "KGM"],
  ["公斤", "KGM"],
  ["克", "GRM"],
  ["吨", "TNE"],
  ["升", "LTR"],
  ["毫升", "MLT"],
  ["米", "MTR"],
  ["千米", "KMT"],
  ["公里", "KMT"],
  ["平方米", "MTK"],
  ["立方米", "MTQ"],
  ["千瓦时", "KWH"],
  ["小时", "HUR"],
  ["天", "DAY"],
  ["周", "WEE"],
  ["月", "MON"],
  ["年", "ANN"],
]);
const unitOf = ({ unit = "C62" }: InvoiceLine): string =>
  unitWords.get(unit) ?? (unitCodes.has(unit) ? unit : "C62");

/**
 * Why no tax is due, for the categories for which EN 16931 requires a reason and the document has
 * none.
 */
const reasons: Readonly<Record<string, string>> = {
  E: exempt,
  O: notTaxed,
  AE: "Reverse charge",
  K: "Intra-community supply",
  G: "Export outside the EU",
};

/** The id of every tax in the standard. */
export const taxScheme = "VAT";
export type Taxed = { taxRate?: string | undefined; taxCategory?: string | undefined };
const isZero = (rate: string) => !/[1-9]/.test(rate);
const codeOf = ({ taxRate = "0", taxCategory }: Taxed): string =>
  taxCategory ??
  (taxRate === exempt ? "E" : taxRate === notTaxed ? "O" : isZero(taxRate) ? "Z" : "S");
/** The rate as a percentage; 0 for a word. */
const percentOf = ({ taxRate = "0" }: Taxed) => fractionToPercent(fractionOf(taxRate));

/** A tax category as it is stated. BR-O-05: one outside of tax has no rate. */
export function categoryOf(taxed: Taxed): { code: string; percent: string | undefined } {
  const code = codeOf(taxed);
  const rated = code !== "O" || !isZero(fractionOf(taxed.taxRate ?? "0"));
  return { code, percent: rated ? percentOf(taxed) : undefined };
}

/** `lines`: how many lines the tax is from. */
export type Part = {
  taxRate: string;
  taxCategory: string;
  taxable: bigint;
  tax: bigint;
  lines: number;
  exemptionReason?: string | undefined;
  exemptionCode?: string | undefined;
};
/** Tax by category and rate: from the breakdown if there is one, otherwise from the lines. */
export function partsOf(document: InvoiceDocument): Part[] {
  const parts = new Map<string, Part>();
  const taxed =
    document.taxBreakdown ??
    document.lines.map(({ taxRate, taxCategory, amount, tax }) => ({
      taxRate,
      taxCategory,
      taxable: amount,
      tax: tax ?? "0.00",
    }));
  for (const each of taxed) {
    const key = `${codeOf(each)} ${percentOf(each)}`;
    const part = parts.get(key) ?? {
      ...each,
      taxCategory: codeOf(each),
      taxable: 0n,
      tax: 0n,
      lines: 0,
    };
    parts.set(key, {
      ...part,
      taxable: part.taxable + parseMoney(each.taxable),
      tax: part.tax + parseMoney(each.tax),
    });
  }
  for (const line of [...document.lines, ...(document.allowances ?? [])]) {
    const part = parts.get(`${codeOf(line)} ${percentOf(line)}`);
    if (part) part.lines += 1;
  }
  return [...parts.values()];
}
/** Whether an invoice is outside of tax as a whole. */
export const isUntaxed = (parts: readonly Part[]): boolean =>
  parts.every((part) => part.taxCategory === "O");

/**
 * Why a part is without tax, by a code of the list or in words. BR-S-10, BR-Z-10, …: a taxed part
 * has no reason.
 */
export function exemptionOf(part: Part): { code?: string | undefined; text?: string | undefined } {
  const reason = reasons[part.taxCategory];
  if (reason === undefined) return {};
  const known = /^VATEX-[A-Z0-9-]+$/i.test(part.exemptionCode ?? "");
  return {
    code: known ? part.exemptionCode : undefined,
    text: part.exemptionReason ?? (known ? undefined : (part.exemptionCode ?? reason)),
  };
}

/** Why no syntax of EN 16931 can express a document. */
export function obstacles(document: InvoiceDocument): Violation[] {
  if (decimalsOf(document.currency) > 2)
    return [
      {
        field: "/currency",
        rule: "BR-DEC-14",
        detail: "amounts of EN 16931 have at most two decimals",
      },
    ];
  const violations: Violation[] = [];
  if (document.totals.collected !== undefined)
    violations.push({
      field: "/totals/collected",
      rule: "BR-CO-16",
      detail: "EN 16931 has no place for what is collected for somebody else",
    });
  const parts = partsOf(document);
  const field = document.taxBreakdown === undefined ? "/lines" : "/taxBreakdown";
  const marginal = document.lines.findIndex(({ taxRate }) => taxRate === onMargin);
  if (marginal >= 0)
    violations.push({
      field: `/lines/${marginal}/taxRate`,
      rule: "margin-taxed",
      detail: "EN 16931 has no tax on a margin (差额征税): its tax follows from a rate",
    });
  for (const part of parts) {
    const expected = amountTimesRate(part.taxable, fractionOf(part.taxRate));
    const difference = part.tax - expected;
    const slack = roundingSlack(part.lines, document.currency);
    if (difference < -slack || difference > slack) {
      const detail =
        `the tax at ${part.taxRate} is ${formatMoney(part.tax)}, and ` +
        `${formatMoney(part.taxable)} × ${part.taxRate} makes ${formatMoney(expected)}`;
      violations.push({ field, rule: "BR-CO-17", detail });
    }
  }
  if (parts.length > 1 && parts.some((part) => part.taxCategory === "O"))
    violations.push({
      field,
      rule: "BR-O-11",
      detail: "what is outside of tax (不征税) does not stand in one invoice with anything else",
    });
  if (parts.some((part) => part.taxCategory === "K"))
    violations.push({
      field,
      rule: "BR-IC-12",
      detail: "a supply within the Union names where it goes, for which a document has no member",
    });
  for (const side of ["seller", "buyer"] as const) {
    const { country, taxId } = document[side];
    const code = countryOf(document[side], "CN");
    if (!countries.has(code))
      violations.push({
        field: `/${side}/${country === undefined ? "taxId" : "country"}`,
        rule: "BR-CL-14",
        detail: `${code} is not a country`,
      });
    else if (
      taxId !== undefined &&
      !isChineseTaxId(taxId) &&
      taxId.slice(0, 2) !== "EL" &&
      !countries.has(taxId.slice(0, 2))
    )
      violations.push({
        field: `/${side}/taxId`,
        rule: "BR-CO-09",
        detail: `${taxId.slice(0, 2)} is not a country`,
      });
  }
  return violations;
}

const sum = (amounts: readonly string[]) =>
  amounts.reduce((total, amount) => total + parseMoney(amount), 0n);

/** The document as its XML states it: a credit note has positive amounts. */
export function statedOf(document: InvoiceDocument): InvoiceDocument {
  if (!isCreditNote(document)) return document;
  const stated = structuredClone(document);
  negate(stated);
  return stated;
}

/** The totals, with those that the standard requires or a syntax sums. */
export function totalsOf({ lines, allowances = [], totals }: InvoiceDocument) {
  const total = (charge: boolean) => {
    const amounts = allowances.flatMap((each) => (each.charge === charge ? [each.amount] : []));
    return amounts.length === 0 ? undefined : formatMoney(sum(amounts));
  };
  const { gross, prepaid = "0.00", rounding = "0.00" } = totals;
  return {
    lines: formatMoney(sum(lines.map(({ amount }) => amount))),
    allowances: total(false),
    charges: total(true),
    payable: formatMoney(parseMoney(gross) - parseMoney(prepaid) + parseMoney(rounding)),
    ...totals,
  };
}

/** BR-CO-25: an amount to pay requires a due date or terms. */
export const termsOf = (document: InvoiceDocument, payable = "0.00"): string | undefined =>
  document.paymentTerms ??
  (document.dueDate === undefined && parseMoney(payable) > 0n ? "Not stated" : undefined);

/** The invoices that an invoice names: those that precede it, or the one that it reverses. */
export function namedBy(
  { preceding, reverses }: InvoiceDocument,
  numbers: Numbers,
): { id: string | undefined; date?: string | undefined }[] {
  if (preceding !== undefined || reverses === undefined) return preceding ?? [];
  return [{ id: reverses.sourceId ?? reverses.number ?? numbers.reverses }];
}

type Allowance = NonNullable<InvoiceDocument["allowances"]>[number];
/** Why something is taken off or added: by a code of the list or in words (BR-33, BR-38, …). */
export function reasonsOf({ charge, reason, reasonCode }: Allowance) {
  if (reasonCode !== undefined && (charge ? chargeReasons : allowanceReasons).has(reasonCode))
    return { reason, reasonCode };
  return { reason: reason ?? reasonCode ?? (charge ? "Charge" : "Allowance") };
}

/**
 * A line with a quantity, a price and the code of a unit. A price or a quantity alone does not say
 * what it is for. `attributes`: what has no element of its own in the standard (BG-32).
 */
export function pricedLine(line: InvoiceLine, index: number) {
  const isWhole = line.quantity !== undefined && line.unitPrice !== undefined;
  const isNegative = parseMoney(line.amount) < 0n;
  const single = { quantity: isNegative ? "-1" : "1", unitPrice: line.amount.replace("-", "") };
  const unitCode = unitOf(line);
  const attributes = [
    ["规格型号", line.spec],
    ["单位", line.unit === unitCode ? undefined : line.unit],
  ].flatMap(([name, value]) =>
    name === undefined || value === undefined ? [] : [{ name, value }],
  );
  return {
    id: String(index + 1),
    ...line,
    ...(isWhole ? {} : single),
    unitCode,
    attributes,
  };
}

export type Side = "seller" | "buyer";
type Party = InvoiceDocument["buyer"];

/**
 * EN 16931 requires a country: the party's own, or that of its tax id, or `other`: the seller's, or
 * for the seller none.
 */
export function countryOf(party: Party, other: string): string {
  const prefix =
    party.taxId === undefined
      ? other
      : isChineseTaxId(party.taxId)
        ? "CN"
        : party.taxId.slice(0, 2);
  const country = party.country ?? prefix;
  return { EL: "GR", UK: "GB" }[country] ?? country;
}

/** BR-62, BR-63, BR-CL-25: an electronic address has a scheme of the list. */
export const endpointOf = ({ endpoint }: Party) =>
  endpoint && endpointSchemes.has(endpoint.scheme ?? "") ? endpoint : undefined;

/**
 * BR-CL-10, BR-CL-11: schemes have a number of ISO 6523; an identifier of another scheme is written
 * without it.
 */
const known = <T extends { scheme?: string | undefined }>(identifier: T): T => ({
  ...identifier,
  scheme: /^(?:0\d{3}|SEPA)$/.test(identifier.scheme ?? "") ? identifier.scheme : undefined,
});

type Identifier = { id: string; scheme?: string | undefined };
/** The ids of a party by their places. `taxed`: by the scheme of the tax, `taxScheme` or FC. */
export type Ids = {
  named: Identifier[];
  legal: Identifier | undefined;
  taxed: { id: string; scheme: string }[];
};

/**
 * Where a party's ids go. A document that says which one is the legal registration is followed. A
 * buyer has one identifier of its own (UBL-SR-16), and so has a seller's bank (UBL-SR-29).
 * `untaxed`: the invoice is outside of tax. `lastIsLegal`: of several ids that do not say what they
 * are the last is the registration, unless it is the bank's, so that all keep their order.
 */
export function idsOf(
  side: Side,
  party: Party,
  country: string,
  { untaxed, lastIsLegal = false }: { untaxed: boolean; lastIsLegal?: boolean },
): Ids {
  const { identifiers = [], taxId } = party;
  const isSeller = side === "seller";
  const plain = identifiers.filter(({ registration }) => registration !== "tax");
  const candidates = plain.filter(({ scheme }) => scheme !== creditorScheme);
  // BR-CO-26: a party without a VAT id has a registration
  const withoutVatId = untaxed && taxId !== undefined && (!isSeller || candidates.length === 0);
  const legal = withoutVatId
    ? { id: taxId }
    : (plain.find(({ registration }) => registration === "legal") ??
      (lastIsLegal && plain.length > 1 && candidates.at(-1) === plain.at(-1)
        ? candidates.at(-1)
        : undefined));
  const creditor = isSeller ? plain.find(({ scheme }) => scheme === creditorScheme) : undefined;
  const named = plain.filter(
    (each) => each !== legal && (each.scheme !== creditorScheme || each === creditor),
  );
  const offices = identifiers.filter(({ registration }) => registration === "tax");
  const taxed = isSeller ? offices.map(({ id }) => ({ id, scheme: "FC" })) : [];
  // the tax id is one of the other ids: of a tax office, or of a seller outside of VAT
  const repeated = identifiers.some(
    ({ id, registration }) =>
      (registration === "tax" || (untaxed && isSeller)) &&
      taxId !== undefined &&
      taxIdFrom(id, country, registration) === taxId,
  );
  if (taxId !== undefined && !repeated && (isSeller || !untaxed))
    taxed.push(
      untaxed
        ? { id: taxId, scheme: "FC" }
        : { id: isChineseTaxId(taxId) ? `CN${taxId}` : taxId, scheme: taxScheme },
    );
  return {
    named: (isSeller ? named : named.slice(0, 1)).map(known),
    legal: legal && known(legal),
    taxed,
  };
}
