/**
 * Canonical ids of sellers: one key for every way in which a tax office's or a register's id is
 * written. Prefixes, suffixes, leading zeros, EL and GR, languages, and the longer ids that contain
 * a shorter one (a VAT id a company's, a place of business a company) are national rules.
 *
 * A key does not depend on the id's check digit: a typing error must not change the rule that
 * applies. `brokenCheckDigit` says whether the digits hold. Does not own: which tax ids may be
 * enrolled (tax-id.ts).
 */
import { plainCapitals } from "./look-alikes.ts";
import { isChineseId, isCountryPrefix, isOlderTaxId, isPersonalId } from "./tax-id.ts";

/**
 * An id that a document gives of its seller. `registration`: what it is registered for (vat, tax,
 * legal); `scheme`: of ISO 6523 (EAS). An id with neither is somebody's own, such as a buyer's
 * number of the seller, and identifies nobody.
 */
export type SellerId = {
  id: string;
  scheme?: string | undefined;
  registration?: string | undefined;
};
export type Seller = {
  name: string;
  taxId?: string | undefined;
  country?: string | undefined;
  identifiers?: readonly SellerId[] | undefined;
};

/** Schemes whose ids are unique in the world. */
const worldwide: ReadonlySet<string> = new Set(["0060", "0088", "0199"]);
/** Schemes of one country's register or tax office. */
const national: Readonly<Record<string, string>> = {
  "0002": "FR",
  "0007": "SE",
  "0009": "FR",
  "0037": "FI",
  "0106": "NL",
  "0151": "AU",
  "0183": "CH",
  "0184": "DK",
  "0188": "JP",
  "0191": "EE",
  "0192": "NO",
  "0195": "SG",
  "0196": "IS",
  "0200": "LT",
  "0208": "BE",
  "0210": "IT",
  "0211": "IT",
  "0212": "FI",
  "0213": "FI",
  "0216": "FI",
};

/** Countries whose tax offices write another prefix than ISO 3166-1. */
const countryOf = (prefix: string) => ({ EL: "GR", XI: "GB" })[prefix] ?? prefix;

const bareId = (id: string) => plainCapitals(id).replace(/[^\p{L}\p{N}]/gu, "");

/** Words that stand before or behind an id, in the languages of those who write it. */
const words =
  /^(?:VAT|TVA|IVA|PIVA|BTW|MWST|USTIDNR|USTID|USTNR|STNR|NIP|NIF|CIF|CVR|ORGNR|TIN|ABN|GSTIN|SIREN|SIRET|KVK|UID)(?:NO|NR)?(?=\d|[A-Z]{2}\d)/;

/** German commercial registers number by court: without the court, the number is not one firm's. */
const byCourt = /^(?:HRA|HRB|GNR|PR|VR|GSR)\d/;

/** What is left of an id in its country: `text` is of capitals and digits, without the country. */
function coreOf(country: string, text: string): string {
  const shapes: Readonly<Record<string, readonly [RegExp, string]>> = {
    AT: [/^U(\d{8})$/, "$1"],
    // a business number, and an account of it with the tax office
    CA: [/^(\d{9})R[A-Z]\d{4}$/, "$1"],
    CH: [/^E?(\d{9})(?:MWST|TVA|IVA|VAT|HR|RC)?$/, "$1"],
    LI: [/^E?(\d{9})(?:MWST|TVA|IVA|VAT|HR|RC)?$/, "$1"],
    // a VAT id is two characters and the SIREN, a SIRET the SIREN and a place of business
    FR: [/^(?:[0-9A-Z]{2}(?=\d{9}$))?(\d{9})(?:\d{5})?$/, "$1"],
    // a registration, and a branch of it
    GB: [/^(\d{9})\d{3}$/, "$1"],
    HU: [/^(\d{8})\d{3}$/, "$1"],
    JP: [/^T?(\d{13})$/, "$1"],
    NL: [/^(\d+)B(\d)$/, "$1B0$2"],
    NO: [/^(\d{9})(?:MVA)?$/, "$1"],
    RU: [/^(\d{10})\d{9}$/, "$1"],
    SE: [/^(\d{10})\d{2}$/, "$1"],
  };
  const shape = shapes[country];
  const core = shape === undefined ? text : text.replace(shape[0], shape[1]);
  return core.replace(/^0+(?=.)/, "");
}

type Placed = { country: string; text: string };

/**
 * The country that an id belongs to, and the id without it. The country of a VAT id is in its
 * prefix: a seller may be registered abroad. Any other id is one of the seller's country, whatever
 * letters it begins with.
 */
function placed({ id, registration }: SellerId, country: string | undefined): Placed | undefined {
  const bare = bareId(id);
  const text = bare.replace(words, "");
  if (text === "") return undefined;
  const chinese = text.replace(/^CN(?=[0-9A-Z]{15})/, "");
  if (isChineseId(chinese) && (country === undefined || country === "CN"))
    return { country: "CN", text: chinese };
  const prefix = text.slice(0, 2);
  const own = country === undefined ? undefined : countryOf(country);
  const prefixed = isCountryPrefix(prefix) && text.length > 3;
  if (prefixed && (registration === "vat" || countryOf(prefix) === own))
    return { country: countryOf(prefix), text: text.slice(2) };
  return { country: own ?? "", text };
}

const isKnown = ({ registration, scheme = "" }: SellerId) =>
  registration !== undefined || worldwide.has(scheme) || national[scheme] !== undefined;

/** Whether an id has its country in front and the length of a VAT id: nothing else looks so. */
const isVatId = ({ id }: SellerId): boolean =>
  /^[A-Z]{2}(?=(?:[A-Z]?\d){8})[0-9A-Z]{8,12}$/.test(bareId(id)) &&
  isCountryPrefix(bareId(id).slice(0, 2));

/**
 * The ids of a seller: its tax id, those that are registered, those of a known scheme. A reader
 * takes somebody's own number of the seller for its tax id if the file gives no other.
 */
function idsOf({ taxId, identifiers = [] }: Seller): SellerId[] {
  // a reader puts the country in front, if the id has none
  const isTaxId = ({ id }: SellerId) =>
    taxId !== undefined && [taxId, taxId.slice(2)].includes(bareId(id));
  const same = identifiers.filter(isTaxId);
  const borrowed = same.length > 0 && !same.some(isKnown) && !same.some(isVatId);
  const registered = ["vat", "tax", "legal"].flatMap((word) =>
    identifiers.filter(({ registration }) => registration === word),
  );
  const schemed = identifiers.filter((id) => id.registration === undefined && isKnown(id));
  return [
    ...(taxId === undefined || borrowed ? [] : [{ id: taxId, registration: "vat" }]),
    ...registered,
    ...schemed,
  ];
}

/**
 * The keys of a seller, the surest first, each once: `DE:123456789`, or scheme and id for an id
 * that is unique in the world. Empty if the document gives no id that identifies it.
 */
export function sellerKeys(seller: Seller): string[] {
  const keys = idsOf(seller).flatMap((each) => {
    if (each.scheme !== undefined && worldwide.has(each.scheme))
      return [`${each.scheme}:${bareId(each.id)}`];
    const place = placed(each, national[each.scheme ?? ""] ?? seller.country);
    if (place === undefined || (place.country === "DE" && byCourt.test(place.text))) return [];
    return [`${place.country}:${coreOf(place.country, place.text)}`];
  });
  return [...new Set(keys)];
}

/** The country that a seller is in, or is registered in; undefined if nothing says so. */
export function sellerCountry(seller: Seller): string | undefined {
  const [first] = idsOf(seller);
  const place = first && placed(first, seller.country);
  return place?.country || (seller.country && countryOf(seller.country)) || undefined;
}

/**
 * Whether no national id of its country has these check digits. Undefined for a country without
 * known rules. The library with the rules of all countries is loaded by the first call.
 */
export async function brokenCheckDigit(seller: Seller): Promise<boolean | undefined> {
  const [first] = idsOf(seller);
  const place = first && placed(first, seller.country);
  if (place === undefined) return undefined;
  if (place.country === "CN") {
    const unchecked = isOlderTaxId(place.text) && !isPersonalId(place.text);
    return unchecked ? undefined : !isChineseId(place.text);
  }
  const { validateEntity, validatePerson } = (await import("stdnum")).default;
  const texts = [place.text, `${place.country === "GR" ? "EL" : place.country}${place.text}`];
  const judged = [validateEntity, validatePerson].flatMap((judge) =>
    texts.map((text) => judge(place.country, text)),
  );
  return judged.some(({ checked }) => checked) ? !judged.some(({ isValid }) => isValid) : undefined;
}
