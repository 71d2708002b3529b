/**
 * What identifies an invoice that was issued elsewhere, in whatever words a document writes it: the
 * keys of which its ids on the ledger are hashes (external.ts).
 *
 * | the invoice | is identified by | checked beside it |
 * | --- | --- | --- |
 * | 数电票, rail and air e-tickets | the national number of 20 digits | seller, day, total |
 * | older VAT invoice (发票代码) | code of 10 or 12 digits, number of 8 | seller, day, total |
 * | fiscal bill (财政票据) | code of 8 digits, number of 10 | seller, day, total |
 * | any other | each id of its seller, the year of issue, the folded number | day, total |
 * | any other, without an id of its seller | country and name of the seller, the day, the folded number | total |
 *
 * A document with several ids of its seller has several keys; another copy with one of them has one
 * of those. Numbers restart every year, so the year is part of the key. Whatever is in a key and
 * does not identify would be a way to a second id: a national number is unique without its seller.
 * docs/adr/0035-identity.md says why.
 */
import { plainCapitals } from "../values/look-alikes.ts";
import { type Seller, sellerCountry, sellerKeys } from "../values/seller-ids.ts";

/**
 * What a document says about the invoice. `number`: under which it was issued, with the code of an
 * older invoice in front, or apart as `code`. `day`: of issue, YYYY-MM-DD, as it is printed.
 */
export type Original = {
  number: string;
  code?: string | undefined;
  day: string;
  currency: string;
  seller: Seller;
};
export type IdentityKind = "national" | "invoice" | "bill" | "seller" | "named";
/** `keys`: the surest first. */
export type Identity = { kind: IdentityKind; keys: readonly string[] };
/** Why a document has no identity, and what to do about it. */
export type NoIdentity = { rule: string; detail: string };

/** Words before a number, and the Chinese ones around it. */
const labels: ReadonlySet<string> = new Set(
  (
    "NO NR NUM NUMBER NUMERO NUMMER INVOICE INVOICENO INVOICENUMBER RECHNUNG RECHNUNGSNR " +
    "BILL BILLNO RECEIPT RECEIPTNO RECHNUNGSNUMMER RECHNUNGS FACTURE FACTURA FATTURA FATURA FAKTURA FACTUUR FACTUURNUMMER " +
    "BELEG BELEGNR BELEGNUMMER НОМЕР 第 号 號 号码 發票號碼 发票 发票号 发票号码 发票代码 代码 票号 票据代码 票据号码 编号"
  )
    .split(" ")
    .map(plainCapitals),
);

/** Words behind a number, on a copy of the invoice. */
const copyWords: ReadonlySet<string> = new Set(
  "COPY KOPIE COPIE COPIA KOPIA DUPLICATE DUPLIKAT DUPLICATA 副本 复印件"
    .split(" ")
    .map(plainCapitals),
);

/** Letters that look like a dash, and are typed for one between Latin letters and digits. */
const dashLetters = /(?<=[A-Z\p{Nd}])[一ー⼀ㅡᅳ](?=[A-Z\p{Nd}])/gu;

/** Groups of digits and groups of letters, without labels; what stands between them is dropped. */
function groupsOf(text: string): string[] {
  // "№", "N°" and "n." are words for a number, "N" alone may begin one
  const word = /№|(?<![\p{L}\p{N}])n\s*(?:[°˚º]|\.(?=\s*\p{N}))/giu;
  const plain = plainCapitals(text.replace(word, "No ")).replace(dashLetters, "-");
  const groups = plain.match(/\p{N}+|\p{L}+/gu) ?? [];
  let first = 0;
  while (first < groups.length - 1 && labels.has(groups[first] as string)) first += 1;
  const chinese = (group: string) => labels.has(group) && /\p{Script=Han}/u.test(group);
  const copied = copyWords.has(groups.at(-1) ?? "") && first < groups.length - 1;
  const rest = groups.slice(first, copied ? -1 : undefined).filter((group) => !chinese(group));
  return rest.length === 0 ? groups.slice(-1) : rest;
}

const joined = (groups: readonly string[]) =>
  groups.map((group) => group.replace(/^0+(?=\p{N})/u, "")).join("-");

/**
 * The only text of a number: groups of digits and of letters, one dash between two groups, whatever
 * stood there. Case, scripts, leading zeros of a group and labels ("No.", "Nr", "№", "Invoice") do
 * not count; where a group ends does: 1-11 is not 11-1.
 */
export const foldNumber = (text: string): string => joined(groupsOf(text));

/** A name without case, accents, signs and blanks, in letters of one script if they look alike. */
export const foldName = (name: string): string =>
  plainCapitals(name).replace(/[^\p{L}\p{N}]/gu, "");

/** The number of 20 digits that a text is, however it is grouped and labelled; else undefined. */
export function twentyDigits(text: string): string | undefined {
  const digits = groupsOf(text).join("");
  return /^\d{20}$/.test(digits) ? digits : undefined;
}

/** The forms of numbers of Chinese invoices and bills; undefined: it has none of them. */
function chineseIdentity(groups: readonly string[]): Identity | NoIdentity | undefined {
  if (!groups.every((group) => /^\d+$/.test(group))) return undefined;
  const invoice = (code: string, number: string): Identity => ({
    kind: "invoice",
    keys: [`cn/invoice\0${code}\0${number}`],
  });
  const [code = "", number = "", ...more] = groups;
  if (more.length === 0 && number.length === 8 && (code.length === 10 || code.length === 12))
    return invoice(code, number);
  if (more.length === 0 && number.length === 10 && code.length === 8)
    return { kind: "bill", keys: [`cn/bill\0${code}\0${number}`] };
  if (number !== "") return undefined;
  const digits = code;
  // a code of 12 digits begins with 0 or 1, a national number with the year
  if (digits.length === 20 && /^[01]/.test(digits))
    return invoice(digits.slice(0, 12), digits.slice(12));
  if (digits.length === 18)
    return {
      rule: "code-and-number",
      detail:
        "18 digits are a code and a number: put a dash between them, 3200151130-12345678 for an " +
        "invoice, 00010122-1234567890 for a fiscal bill",
    };
  if (digits.length === 8 || digits.length === 10)
    return {
      rule: "code-missing",
      detail:
        `A number of ${digits.length} digits is that of an older ` +
        `${digits.length === 8 ? "invoice" : "fiscal bill"}: put its code in front, as ` +
        `${digits.length === 8 ? "044031900111" : "00010122"}-${digits}`,
    };
  return undefined;
}

/** The keys of an invoice, or why it has none. */
export function identityOf(original: Original): Identity | NoIdentity {
  const { code, day, currency, seller } = original;
  const groups = groupsOf(original.number);
  if (groups.length === 0)
    return {
      rule: "original-number",
      detail: "The number that the invoice was issued under is needed",
    };
  const country = sellerCountry(seller);
  const chinese = country === "CN" || (country === undefined && currency === "CNY");
  const national = twentyDigits(original.number);
  if (national !== undefined && !/^[01]/.test(national) && (chinese || currency === "CNY"))
    return { kind: "national", keys: [`cn\0${national}`] };
  if (chinese || currency === "CNY") {
    const coded = code === undefined ? groups : [...groupsOf(code), ...groups];
    const identity = chineseIdentity(coded);
    // what a Chinese invoice lacks, another one in yuan need not have
    if (identity !== undefined && (chinese || "keys" in identity)) return identity;
  }
  const number = joined(groups);
  const keys = sellerKeys(seller);
  if (keys.length > 0)
    return {
      kind: "seller",
      keys: keys.map((key) => `seller\0${key}\0${day.slice(0, 4)}\0${number}`),
    };
  const name = foldName(seller.name);
  return { kind: "named", keys: [`name\0${country ?? ""}\0${name}\0${day}\0${number}`] };
}

const DAY_MS = 86_400_000;
export const facts = ["seller", "date", "total"] as const;
export type Fact = (typeof facts)[number];
/** What is checked of an invoice beside its identity. `days`: those that the document states. */
export type Stated = { seller: Seller; days: readonly string[]; currency: string; gross: string };

/**
 * In which facts two documents with a key in common contradict each other. A fact that one of them
 * does not state contradicts nothing; of days, one between two of them is a matter of the clock.
 */
export function differences(known: Stated, other: Stated): Fact[] {
  const [ids, others] = [sellerKeys(known.seller), sellerKeys(other.seller)];
  const near = known.days.some((day) =>
    other.days.some((each) => Math.abs(Date.parse(day) - Date.parse(each)) <= DAY_MS),
  );
  const broken: Readonly<Record<Fact, boolean>> = {
    seller: ids.length > 0 && others.length > 0 && !ids.some((id) => others.includes(id)),
    date: !near,
    total: known.gross !== other.gross || known.currency !== other.currency,
  };
  return facts.filter((fact) => broken[fact]);
}
