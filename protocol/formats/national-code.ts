/**
 * The QR codes of invoices that are not of this network: of the national invoice platform (数电票,
 * e-tickets of rail and air, older VAT invoices) and of fiscal bills.
 *
 *   01,32,,25442000000098765432,200,20251103,,ABCD       数电票: number, total, day
 *   01,10,044031900111,12345678,188.68,20191231,…,0816    older: code, number, net amount, day
 *   01,06,00010122,1234567890,…                          fiscal bill: code, number; the rest varies
 *   https://….chinatax.gov.cn/…                          a link of a tax office
 *
 * Printers and scanners differ: the check value is missing, an amount has no decimals, commas have
 * full width. What a text does not say for certain is left out. Nothing here says that a code is
 * true. Imports nothing, so that a browser can have it.
 */

export const codeKinds = ["national", "invoice", "bill", "link"] as const;
export type NationalCode = {
  /** A number of 20 digits; code and number of an older invoice; of a fiscal bill; a link. */
  kind: (typeof codeKinds)[number];
  /** What the paper is called, if the code says so. */
  title?: string;
  number?: string;
  code?: string;
  /** YYYY-MM-DD. */
  date?: string;
  /** With two decimals. `net`: of an older invoice, without tax. */
  total?: string;
  net?: string;
  /** Where to ask about it: a page of the authority. */
  askAt: string;
};

/** 国家税务总局全国增值税发票查验平台; 全国财政电子票据查验平台. */
export const taxOffice = "https://inv-veri.chinatax.gov.cn/";
export const billOffice = "https://pjcy.mof.gov.cn/";

const titles: Readonly<Record<string, string>> = {
  "01": "增值税专用发票",
  "03": "机动车销售统一发票",
  "04": "增值税普通发票",
  "08": "增值税电子专用发票",
  "10": "增值税电子普通发票",
  "11": "增值税普通发票（卷票）",
  "14": "增值税电子普通发票（通行费）",
  "15": "二手车销售统一发票",
  "31": "电子发票（增值税专用发票）",
  "32": "电子发票（普通发票）",
  "51": "电子发票（铁路电子客票）",
  "61": "电子发票（航空运输电子客票行程单）",
};

/** Longer than any of these texts. */
const MAX_TEXT = 1_000;

function dayIn(fields: readonly string[]): string | undefined {
  const days = fields.map((field) => /^(20\d\d)-?(\d\d)-?(\d\d)$/.exec(field)?.slice(1).join("-"));
  return days.find(
    (day) => day !== undefined && new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day,
  );
}

function amountIn(fields: readonly string[]): string | undefined {
  const amount = fields.find((field) => /^-?(?:0|[1-9]\d{0,12})(?:\.\d{1,2})?$/.test(field));
  if (amount === undefined) return undefined;
  const [whole = "", part = ""] = amount.split(".");
  return `${whole}.${part.padEnd(2, "0")}`;
}

/** The link of a tax or finance office, without what could lead elsewhere. */
function linkIn(text: string): NationalCode | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, username, password, port, href } = new URL(text);
  const office = [taxOffice, billOffice].find((each) => {
    const domain = new URL(each).hostname.split(".").slice(1).join(".");
    return hostname === domain || hostname.endsWith(`.${domain}`);
  });
  if (office === undefined || username !== "" || password !== "") return undefined;
  return { kind: "link", askAt: protocol === "https:" && port === "" ? href : office };
}

/** What a code of the national platforms says; undefined: it is not one. Never throws. */
export function readNationalCode(text: string): NationalCode | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const plain = text.normalize("NFKC").trim();
  if (/^https?:/i.test(plain)) return linkIn(plain);
  const [first, type = "", code = "", number = "", ...rest] = plain
    .replace(/\s/g, "")
    .replaceAll("、", ",")
    .split(",");
  if (first !== "01" || !/^\d\d$/.test(type)) return undefined;
  const title = titles[type];
  const date = dayIn(rest);
  const named = { ...(title && { title }), number, ...(date && { date }) };
  const amount = amountIn(rest.slice(0, 1));
  if (code === "" && /^[2-9]\d{19}$/.test(number))
    return { kind: "national", ...named, ...(amount && { total: amount }), askAt: taxOffice };
  if (/^(?:\d{10}|\d{12})$/.test(code) && /^\d{8}$/.test(number))
    return { kind: "invoice", ...named, code, ...(amount && { net: amount }), askAt: taxOffice };
  if (!/^\d{8}$/.test(code) || !/^\d{10}$/.test(number)) return undefined;
  // an amount among fields in any order is known by its decimals
  const total = amountIn(rest.filter((field) => field.includes(".")));
  return { kind: "bill", ...named, code, ...(total && { total }), askAt: billOffice };
}
