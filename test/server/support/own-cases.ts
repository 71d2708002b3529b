/**
 * The project's own cases: invoices as others write them, made of the samples by other texts in
 * them. A kind of thing that the world writes in several ways has several cases here.
 */
import type { Case, Expected } from "../../../scripts/lab/cases/cases.ts";

type Texts = Record<string, string>;
/** What is expected, and how it is sent; `status` alone: a number. */
type More = Partial<Omit<Case, "expect">> & Partial<Omit<Expected, "status">> & { status?: number };

function caseOf(file: string, should: string, replace: Texts, more: More): Case {
  const { status = 201, code, body, says, shows, ...sent } = more;
  const expect: Expected = {
    status: [status],
    ...(code && { code }),
    ...(body && { body }),
    ...(says && { says }),
    ...(shows && { shows }),
  };
  return { file, should, replace, to: "/v1/external-invoices", by: "A", expect, ...sent };
}
const invalid = (...says: string[]): More => ({ status: 422, code: "invalid-document", says });

// ── 数电票 to a person ──
let serial = 0;
const fresh = () => `26539000010${String(++serial).padStart(9, "0")}`;
/** `number`: another one for each case, unless it is given. */
const shudian = (
  should: string,
  texts: Texts = {},
  more: More & { number?: string } = {},
): Case => {
  const { number = fresh(), ...rest } = more;
  const seller = SELLER in texts ? {} : { [SELLER]: "91530100MA7DEMX01J" };
  const replace = { ...texts, "26532000000000700006": number, ...seller };
  return caseOf("shudian/06-scenic-person.xml", should, replace, rest);
};
const REQUESTED = "<RequestTime>2026-11-11 08:15:30</RequestTime>";
const ISSUED = "<IssueTime>2026-11-11</IssueTime>";
const KIND = "<LabelCode>02</LabelCode><LabelName>普通发票</LabelName>";
const SELLER = "91530102MARJT2FQ8E";
const RATE = "<TaxRate>0.03<";
const on = (day: string): Texts => ({
  [REQUESTED]: `<RequestTime>${day} 08:15:30</RequestTime>`,
  [ISSUED]: `<IssueTime>${day}</IssueTime>`,
});
const untaxed = (word: string, tax: string, total: string) =>
  shudian(`${word} with the tax "${tax}" and the total "${total}"`, {
    "<TotalAmWithoutTax>247.57<": "<TotalAmWithoutTax>255.00<",
    "<Quantity>2</Quantity><UnPrice>123.786407767</UnPrice><Amount>247.57<": "<Amount>255.00<",
    "<TotalTaxAm>7.43<": `<TotalTaxAm>${total}<`,
    "<TaxRate>0.03</TaxRate><ComTaxAm>7.43<": `<TaxRate>${word}</TaxRate><ComTaxAm>${tax}<`,
  });
const section = (name: string, element: string, text: string) =>
  shudian(
    `a section ${name} is kept`,
    {
      "<SpecificInformation></SpecificInformation>":
        `<SpecificInformation><${name}><${element}>${text}</${element}></${name}>` +
        "</SpecificInformation>",
    },
    { shows: { "application/json": [name, text] } },
  );

function* shudianCases(): Generator<Case> {
  for (const region of ["1100", "5300", "6500", "4403"])
    yield shudian(`the tag of any region: ${region}`, { SWEI3200: `SWEI${region}` });
  yield shudian("the number once", { "<EIid>26532000000000700006</EIid>": "" });
  yield shudian("a tag of another form", { SWEI3200: "INVOICE" }, invalid("EInvoiceTag"));

  for (const time of [
    "2026-11-11T08:15:30",
    "2026/11/11 08:15:30",
    "2026-11-11 08:15",
    "20261111081530",
    "2026年11月11日",
    "2026-11-11 08:15:30.123",
    "2026-11-11",
  ])
    yield shudian(`the time ${time}`, { [REQUESTED]: `<RequestTime>${time}</RequestTime>` });
  yield shudian(
    "a day that the calendar does not have",
    { [REQUESTED]: "<RequestTime>2026-02-30 08:15:30</RequestTime>" },
    invalid("RequestTime"),
  );
  yield shudian("the time of issue alone", {
    [REQUESTED]: "",
    [ISSUED]: "<IssueTime>2026-11-11 08:15:30</IssueTime>",
  });
  yield shudian("no time", { [REQUESTED]: "", [ISSUED]: "" }, invalid("Time"));
  yield shudian("dated ahead", on("2036-11-11"), invalid("issued-ahead"));
  yield shudian(
    "a number of another year",
    {},
    { ...invalid("number-year"), number: `25${fresh().slice(2)}` },
  );

  yield shudian("amounts with more decimals", {
    "<ComTaxAm>7.43<": "<ComTaxAm>7.430000<",
    "<Amount>247.57<": "<Amount>247.5700<",
  });
  yield shudian("a total without decimals", {
    "<TotalTax-includedAmount>255.00<": "<TotalTax-includedAmount>255<",
  });
  for (const rate of ["3%", "3.00%", "0.030"])
    yield shudian(`the rate ${rate}`, { [RATE]: `<TaxRate>${rate}<` });
  yield untaxed("免税", "***", "***");
  yield untaxed("免税", "", "0.00");
  yield untaxed("免税", "＊＊＊", "0.00");
  yield untaxed("不征税", "*", "0");
  yield untaxed("不征税", "0", "***");
  yield untaxed("0%", "0.00", "0.00");
  yield shudian("免税 with a tax", { [RATE]: "<TaxRate>免税<" }, invalid("exempt-with-tax"));
  yield shudian("差额征税, the rate as stars", { [RATE]: "<TaxRate>***<" });
  yield shudian("no rate", { [RATE]: "<TaxRate><" }, invalid("TaxRate"));
  yield shudian("a quantity without a price", { "<UnPrice>123.786407767</UnPrice>": "" });
  yield shudian("a price without a quantity", { "<Quantity>2</Quantity>": "" });

  yield shudian("the kind by its name", { [KIND]: "<LabelName>普通发票</LabelName>" });
  yield shudian("the kind by its code", { [KIND]: "<LabelCode>02</LabelCode>" });
  yield shudian(
    "the other kind by its name",
    { [KIND]: "<LabelCode></LabelCode><LabelName>增值税专用发票</LabelName>" },
    { body: { "/document/kind": "special" } },
  );

  for (const [id, form] of [
    ["440301199001011", "15 digits"],
    ["44030119900101001", "17 digits"],
    ["44030119900101001600", "20 digits"],
    ["110101199001010015", "an identity number"],
  ] as const)
    yield shudian(`a seller of ${form}`, { [SELLER]: id });
  yield shudian(
    "a seller with a wrong check digit",
    { [SELLER]: "91530100MA7DEMX01K" },
    invalid("tax-id-check-digit"),
  );
  yield shudian("a buyer with an identity number is a person", {
    "<BuyerIdNum></BuyerIdNum>": "<BuyerIdNum>110101199001010015</BuyerIdNum>",
  });

  yield section("FreightTransport", "TransportedGoods", "钢材");
  yield section("ConstructionServices", "PlaceOfConstruction", "试验市");
  yield section("RealEstateLease", "LeaseAddress", "试验路1号");
  yield section("Whatever", "Number", "XZ-1");

  const number = fresh();
  const again = (
    should: string,
    by: "A" | "B",
    code: string,
    texts: Texts = {},
    differs?: string,
  ) =>
    shudian(should, texts, {
      number,
      by,
      status: 409,
      code,
      after: true,
      ...(differs && { body: { "/differs": [differs] } }),
    });
  const conflict = "external-conflict";
  yield shudian("a national number", {}, { number });
  yield again("the same by another employer", "B", "already-claimed");
  yield again("the same by the same employer", "A", "external-registered");
  yield again("another seller", "B", conflict, { [SELLER]: "91110000MA7FXLD02L" }, "seller");
  yield again("another day", "B", conflict, on("2026-11-21"), "date");
  yield shudian(
    "a look at what is free",
    {},
    { to: "/v1/external-invoices?dryRun=true", status: 200, body: { "/state": "free" } },
  );
  yield shudian(
    "verified, and not here",
    {},
    {
      to: "/v1/verify",
      by: "nobody",
      status: 200,
      code: "not-found",
      body: { "/says/format": "shudian", "/says/total": "255.00" },
    },
  );
  yield shudian(
    "a type that nobody reads",
    {},
    { type: "application/pdf", status: 415, code: "unsupported-media-type", says: ["XML"] },
  );
}

// ── UBL to somebody without a tax id ──
const scheme = (id: string) =>
  `<cac:PartyTaxScheme><cbc:CompanyID>${id}</cbc:CompanyID>` +
  "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>";
const COUNTRY = "24103</cbc:PostalZone>\n        <cac:Country><cbc:IdentificationCode>";
const NAME = "Nordlicht Bürobedarf GmbH</cbc:RegistrationName>";
const DAY = "<cbc:IssueDate>2026-11-03<";
const PRICE = '<cbc:PriceAmount currencyID="EUR">14.95<';
const PAYABLE = '<cbc:PayableAmount currencyID="EUR">310.48<';
const ubl = (should: string, number: string, texts: Texts = {}, more: More = {}): Case =>
  caseOf(
    "ubl/01-two-rates.xml",
    should,
    { [scheme("DE 301 442 187")]: "", "NB-2026-0815": number, ...texts },
    more,
  );
const eur = (element: string, amount: string) =>
  `<cbc:${element} currencyID="EUR">${amount}</cbc:${element}>`;

type Copy = { number?: string; seller?: string; country?: string; day?: string };
let pairs = 0;
/** One invoice in two spellings, by A and then by B; or two invoices. */
function* pair(title: string, a: Copy, b: Copy, same = true): Generator<Case> {
  const usual = `PAIR-${++pairs}`;
  const copy = (
    should: string,
    { number = usual, seller = "DE811223344", country = "DE", day = "2026-11-03" }: Copy,
    more: More,
  ) =>
    ubl(
      should,
      number,
      {
        DE811223344: seller,
        [`${COUNTRY}DE`]: `${COUNTRY}${country}`,
        [DAY]: `<cbc:IssueDate>${day}<`,
      },
      more,
    );
  yield copy(`${title}, by one employer`, a, {});
  const refused = { status: 409, code: "already-claimed" };
  yield copy(`${title}, by another`, b, { by: "B", after: true, ...(same && refused) });
}

function* ublCases(): Generator<Case> {
  for (const [country, first, second] of [
    ["GR", "EL061828591", "GR061828591"],
    ["BE", "BE0123456749", "123456749"],
    ["AT", "ATU13585627", "U13585627"],
    ["NL", "NL123456782B12", "123456782B12"],
    ["SE", "SE556012579001", "556012-5790"],
    ["CH", "CHE-107.787.577 MWST", "CHE107787577TVA"],
    ["NO", "NO 995525828 MVA", "995525828"],
    ["PL", "PL8567346215", "856-734-62-15"],
    ["ES", "ESX2482300W", "X-2482300-W"],
    ["IT", "IT00743110157", "00743110157"],
    ["GB", "GB980780684", "980 7806 84"],
    ["DK", "DK13585628", "13 58 56 28"],
    ["FI", "FI20774740", "2077474-0"],
    ["FR", "FR40303265045", "303 265 045"],
    ["CZ", "CZ25123891", "25123891"],
  ] as const)
    yield* pair(`${first} and ${second}`, { seller: first, country }, { seller: second, country });
  const signs =
    "\u2010\u2011\u2012\u2013\u2014\u2212\u2500\uff0d\ufe63\u30fc\u4e00\u3161\u00a0\u00b7 /._";
  for (const sign of signs) {
    const point = sign.codePointAt(0)?.toString(16).padStart(4, "0");
    const end = pairs + 1;
    const number = `RE${sign}2026${sign}${end}`;
    yield* pair(`a number with U+${point}`, { number: `RE-2026-${end}` }, { number });
  }
  yield* pair("leading zeros", { number: "RG-000123" }, { number: "RG-123" });
  yield* pair("case and Cyrillic letters", { number: "AE-77" }, { number: "\u0430\u0435-77" });
  yield* pair("a label", { number: "LB-88" }, { number: "Rechnung Nr. LB-88" });
  yield* pair("full width", { number: "FW-99" }, { number: "\uff26\uff37-\uff19\uff19" });
  yield* pair("1-11 and 11-1", { number: "1-11" }, { number: "11-1" }, false);
  yield* pair("two years", { number: "001", day: "2025-11-03" }, { number: "001" }, false);
  yield* pair("two sellers", {}, { seller: "DE136695976" }, false);

  yield ubl("a day in zone Z", "DZ-1", { [DAY]: "<cbc:IssueDate>2026-11-03Z<" });
  yield ubl("a day in a zone of half hours", "DZ-2", { [DAY]: "<cbc:IssueDate>2026-11-03+05:30<" });
  yield ubl(
    "a day with a time",
    "DZ-3",
    { [DAY]: "<cbc:IssueDate>2026-11-03T10:00:00<" },
    invalid("IssueDate"),
  );
  yield ubl(
    "a rounded price",
    "QP-1",
    { [PRICE]: '<cbc:PriceAmount currencyID="EUR">15.00<' },
    { body: { "/notes/0/rule": "line-amount" } },
  );
  yield ubl("a price for ten", "QP-2", {
    "14.95</cbc:PriceAmount>":
      '149.50</cbc:PriceAmount><cbc:BaseQuantity unitCode="C62">10</cbc:BaseQuantity>',
  });
  for (const [title, before, payable] of [
    ["partly prepaid", eur("PrepaidAmount", "300.00"), "10.48"],
    ["prepaid in full", eur("PrepaidAmount", "310.48"), "0.00"],
    ["rounded", eur("PayableRoundingAmount", "0.02"), "310.50"],
  ] as const)
    yield ubl(
      title,
      `PP-${payable}`,
      { [PAYABLE]: `${before}<cbc:PayableAmount currencyID="EUR">${payable}<` },
      { body: { "/payable": payable, "/gross": "310.48" } },
    );
  yield ubl(
    "self-billed",
    "SB-1",
    { "<cbc:InvoiceTypeCode>380<": "<cbc:InvoiceTypeCode>389<" },
    { says: ["self-billing"] },
  );
  yield ubl("a note of 9,000 characters", "LN-1", {
    "Lieferung frei Haus": `Lieferung ${"frei Haus ".repeat(900)}`,
  });
  yield ubl("no id of the seller", "NS-1", { [scheme("DE811223344")]: "" }, invalid("BR-CO-26"));
  yield ubl("a seller by a company's number", "NS-2", {
    [scheme("DE811223344")]: "",
    [NAME]: `${NAME}<cbc:CompanyID>HRB 12345 KI</cbc:CompanyID>`,
  });
}

// ── JSON of a till ──
const LINE = [
  '"quantity": "1",',
  '"unitPrice": "188.68",',
  '"amount": "188.68",',
  '"taxRate": "0.06",',
  '"tax": "11.32",',
].join("\n      ");
const TOTALS =
  '"totals": {\n    "net": "188.68",\n    "tax": "11.32",\n    "gross": "200.00",\n' +
  '    "inWords": "贰佰圆整"\n  },';
let tills = 0;
const json = (
  should: string,
  texts: Texts,
  { source = `OWN-${++tills}`, ...more }: More & { source?: string } = {},
): Case =>
  caseOf(
    "json/01-restaurant.json",
    should,
    {
      "91440300MAJU6XYHXC": "{A}",
      "91440305MA4JURQ28R": "{issuer}",
      "POS-7-20261103-0042": source,
      ...texts,
    },
    { to: "/v1/invoices", by: "issuer", ...more },
  );
const lineOf = (net: string, tax: string, gross: string): Texts => ({
  [LINE]: `"amount": "${net}", "taxRate": "0.06", "tax": "${tax}",`,
  [TOTALS]: `"totals": { "net": "${net}", "tax": "${tax}", "gross": "${gross}" },`,
});

function* jsonCases(): Generator<Case> {
  for (const [gross, rate] of [
    ["28.00", "0.06"],
    ["31.00", "0.06"],
    ["1.00", "0.13"],
    ["11.00", "0.09"],
    ["0.01", "0.03"],
    ["99999.99", "0.01"],
    ["19.90", "0.05"],
  ] as const)
    yield json(
      `${gross} with ${rate} inside`,
      { [LINE]: `"grossAmount": "${gross}", "taxRate": "${rate}",`, [TOTALS]: "" },
      { body: { "/derived/totals/gross": gross } },
    );
  yield json(
    "a price with the tax inside, and a quantity",
    { [LINE]: '"quantity": "3", "grossUnitPrice": "9.90", "taxRate": "0.06",', [TOTALS]: "" },
    { body: { "/derived/totals/gross": "29.70" } },
  );
  yield json(
    "a price with the tax inside under the other member",
    { '"unitPrice": "188.68"': '"unitPrice": "200.00"' },
    { status: 422, code: "invalid-document", says: ["line-amount", "grossUnitPrice"] },
  );
  yield json("net and tax a cent beside the rate", lineOf("23.58", "1.42", "25.00"));
  yield json("two cents beside the rate", lineOf("23.57", "1.43", "25.00"), invalid("line-tax"));
  yield json("dated ahead", { "2026-11-03T12": "2031-11-03T12" }, invalid("issued-ahead"));
  yield json("an original", {}, { source: "TILL-9-A" });
  const again = { status: 409, code: "duplicate-source", after: true };
  yield json(
    "the original in another spelling",
    {},
    { ...again, source: "till－9－a", body: { "/content": "same" } },
  );
  yield json(
    "the original with other content",
    { "午餐 4人": "午餐 5人" },
    { ...again, source: " TILL-9-A", body: { "/content": "differs", "/differs": ["/remark"] } },
  );
  yield json(
    "an unknown member",
    { '"remark"': '"rebate": "1", "remark"' },
    invalid("unknown-member"),
  );
}

/** Of the files in samples/. */
export const ownCases: readonly Case[] = [...shudianCases(), ...ublCases(), ...jsonCases()];
