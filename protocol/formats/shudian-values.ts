/**
 * The texts of a 数电票 as the values of a document, and back.
 *
 * Owns: the forms in which tax software writes a time, an amount, a rate, an id or a kind. A
 * conversion never fails: a text that it does not know stays as it is and breaks the document's
 * shape. Does not own: which element has which text (shudian.ts).
 */
import {
  formatMoney,
  moneyLimit,
  moneyPattern,
  normaliseDecimal,
  normaliseMoney,
  parseMoney,
  percentToFraction,
  roundHalfUp,
} from "../values/money.ts";
import { exempt, notTaxed, onMargin } from "./document.ts";

/** No tax: nothing, or the stars and dashes of a printed form. */
export const isNoTax = (text: string): boolean => /^[*＊\-—–]*$/.test(text);

/** An amount of yuan; decimals after the second are zeros. */
export const moneyOf = (text: string): string =>
  normaliseMoney(text) ?? normaliseMoney(text.replace(/(\.\d\d)0+$/, "$1")) ?? text;

const words: Readonly<Record<string, string>> = {
  [exempt]: exempt,
  [notTaxed]: notTaxed,
  [onMargin]: onMargin,
};

/** `0.13`, `13%`, a word, or stars, which stand for 差额征税 → the document's rate. */
export function rateOf(text: string): string {
  const word = words[text];
  if (word !== undefined) return word;
  if (/^[*＊]+$/.test(text)) return onMargin;
  const percent = /^(\d{1,3}(?:\.\d{1,6})?)\s*[%％]$/.exec(text)?.[1];
  return (percent === undefined ? normaliseDecimal(text) : percentToFraction(percent)) ?? text;
}
export const rateText = (rate: string): string => (rate === onMargin ? "***" : rate);

/** A tax id in any spelling. */
export const idOf = (text: string): string =>
  text.normalize("NFKC").toUpperCase().replace(/\s+/g, "");

/** A code or a name of a kind; any other text stays, and breaks the shape. */
export function kindOf(text: string): string {
  if (/^0?1$/.test(text) || text.includes("专用发票")) return "special";
  if (/^0?2$/.test(text) || text.includes("普通发票")) return "ordinary";
  return text;
}
const kindCodes: Readonly<Record<string, string>> = { special: "01", ordinary: "02" };
/** The code of a kind of `kindOf`; undefined for any other text. */
export const kindCode = (kind: string): string | undefined => kindCodes[kind];

/** The words before a reversed invoice's number in the remark of a red letter. */
const reversedWords = /(?:被红冲蓝字(?:数电)?(?:发)?票|对应正数发票)/;
const digitsAfter = (words: string) =>
  new RegExp(`${reversedWords.source}${words}\\s*[:：]?\\s*(\\d{8,20})(?!\\d)`);
const reversedForms = {
  national: digitsAfter("(?:号码)?"),
  older: new RegExp(`${digitsAfter("代码").source}[\\s,，;；、]*号码\\s*[:：]?\\s*(\\d{8})(?!\\d)`),
};
/**
 * The number of the reversed invoice in a red letter's remark: 20 digits, or an older invoice's
 * code and number with a dash. `被红冲蓝字数电票号码：…`, `对应正数发票代码:… 号码:…`.
 */
export function reversedNumber(remark: string): string | undefined {
  const text = remark.normalize("NFKC");
  const [, code, number] = reversedForms.older.exec(text) ?? [];
  if (code !== undefined && /^(?:\d{10}|\d{12})$/.test(code)) return `${code}-${number}`;
  const national = reversedForms.national.exec(text)?.[1];
  return national?.length === 20 ? national : undefined;
}

const dayPattern = /^(\d{4})(?:([-/.年])(\d{1,2})(?:\2|月)(\d{1,2})日?|(\d{2})(\d{2}))/;
const clockPattern =
  /^(?:[T ]\s*)?(\d{1,2}):?(\d{2})(?::?(\d{2})(?:[.,]?\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?$/;

type Parts = { day: string; clock?: string };
/** A date, or a date and a time with its offset; undefined for anything else. */
function partsOf(text: string): Parts | undefined {
  const match = dayPattern.exec(text);
  if (match === null) return undefined;
  const [whole, year, , month, date, compactMonth, compactDate] = match;
  const two = (digits: string | undefined) => (digits ?? "").padStart(2, "0");
  const day = `${year}-${two(month ?? compactMonth)}-${two(date ?? compactDate)}`;
  const rest = text.slice(whole.length).trim();
  if (rest === "") return { day };
  const clock = clockPattern.exec(rest);
  if (clock === null) return undefined;
  const [, hour, minute, second, zone] = clock;
  const offset = zone === undefined ? "+08:00" : zone.replace(/^([+-]\d{2})(\d{2})$/, "$1:$2");
  return { day, clock: `${two(hour)}:${minute}:${second ?? "00"}${offset}` };
}

/** Whether a text is a date without a time. */
export const isDate = (text: string): boolean => {
  const parts = partsOf(text);
  return parts !== undefined && parts.clock === undefined;
};

/** `2026-11-03 12:31:07` in Beijing, unless it has an offset; a date is its midnight. */
export function timeOf(text: string): string {
  const parts = partsOf(text);
  return parts === undefined ? text : timeIn(parts);
}
const timeIn = ({ day, clock = "00:00:00+08:00" }: Parts): string => `${day}T${clock}`;

/** A document's time as the clock in Beijing shows it; parts of a second are dropped. */
export const beijing = (time: string): string =>
  new Date(Date.parse(time) + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");

/** The day in Beijing, YYYY-MM-DD, of a text of `timeOf`; undefined if it is not a real time. */
export function dayOf(text: string): string | undefined {
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  const midnight = Date.parse(`${parts.day}T00:00:00Z`);
  const time = timeIn(parts);
  const isReal =
    new Date(midnight).getUTCDate() === Number(parts.day.slice(8)) &&
    (parts.clock === undefined || !Number.isNaN(Date.parse(time)));
  if (!isReal) return undefined;
  return parts.clock?.endsWith("+08:00") === false ? beijing(time).slice(0, 10) : parts.day;
}

/** Figures with fractions of a cent have ten decimals at most. */
const DECIMALS = 10;
const CENT = 10n ** BigInt(DECIMALS - 2);
function exactOf(text: string): bigint | undefined {
  const match = /^([+-]?)(\d{1,13})(?:\.(\d{0,10})0*)?$/.exec(text);
  if (match === null) return undefined;
  const units = BigInt(`${match[2]}${(match[3] ?? "").padEnd(DECIMALS, "0")}`);
  return match[1] === "-" ? -units : units;
}

/** A figure in cents, rounded; undefined if it is not a figure. */
export const centsOf = (text: string): bigint | undefined => {
  if (moneyPattern.test(text)) return parseMoney(text);
  const exact = exactOf(text);
  return exact === undefined ? undefined : roundHalfUp(exact, CENT);
};

/**
 * The lines' figures in cents, where one of them has fractions of a cent: each rounded, and a cent
 * more or less where that is nearest, so that they make the stated total if the exact ones do.
 * Undefined in the place of a figure that is whole already, or none.
 */
export function inCents(texts: readonly string[], total: string): (string | undefined)[] {
  // almost every invoice: nothing to compute
  if (texts.every((text) => moneyPattern.test(text))) return texts.map(() => undefined);
  const exact = texts.map(exactOf);
  const isWhole = (units: bigint | undefined) => units === undefined || units % CENT === 0n;
  if (exact.every(isWhole)) return texts.map(() => undefined);
  const parts = exact.map((units = 0n, index) => {
    const cents = roundHalfUp(units, CENT);
    return { index, cents, error: units - cents * CENT, fixed: isWhole(exact[index]) };
  });
  const stated = centsOf(total);
  const sum = exact.reduce<bigint>((all, units) => all + (units ?? 0n), 0n);
  const rest = (stated ?? 0n) - parts.reduce((all, { cents }) => all + cents, 0n);
  if (stated === roundHalfUp(sum, CENT) && rest !== 0n) {
    const step = rest < 0n ? -1n : 1n;
    const nearest = parts
      .filter(({ fixed, error }) => !fixed && error * step > 0n)
      .sort((a, b) => (a.error === b.error ? 0 : (a.error > b.error ? -1 : 1) * Number(step)));
    for (const part of nearest.slice(0, Number(rest * step))) part.cents += step;
  }
  const isAmount = (cents: bigint) => cents < moneyLimit && cents > -moneyLimit;
  return parts.map(({ cents, fixed }) =>
    fixed || !isAmount(cents) ? undefined : formatMoney(cents),
  );
}
