/**
 * Every sample invoice through the API: the valid ones are issued and read back as an independent
 * reader of their source has them; the invalid ones are refused by the code, field and rule that
 * samples/expected.json names, and leave nothing behind.
 */
import { expect } from "chai";
import { Wallet } from "ethers";
import { bad, expectedRefusals, good, type Sample } from "../formats/samples.ts";
import {
  call,
  documentOf,
  must,
  ownKey,
  sandbox,
  type TestParty,
  taxpayer,
  type Loose as Value,
} from "./network.ts";
import { database, month, record, refused, traces, untilStatus } from "./observe.ts";

/** Of the second account of every development chain. */
const knownWallet = new Wallet(
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
);

type Loose = Record<string, Value>;
const formats = ["json", "shudian", "ubl", "cii"] as const;
type Format = (typeof formats)[number];

// ── readers of the sources that share no code with the gateway ───────────────────────────────────

const entities: Record<string, string> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};
const unescaped = (text: string): string =>
  text
    .replaceAll(
      /<!\[CDATA\[([\s\S]*?)\]\]>|&(?:amp|lt|gt|quot|apos);/g,
      (entity, raw?: string) => raw ?? entities[entity] ?? entity,
    )
    .trim();
/** The contents of the elements of this name, with any prefix. */
const all = (xml: string, name: string): string[] =>
  [
    ...xml.matchAll(
      new RegExp(`<(?:\\w+:)?${name}(?:\\s[^>]*)?(?:/>|>([\\s\\S]*?)</(?:\\w+:)?${name}>)`, "g"),
    ),
  ].map(([, inside]) => inside ?? "");
const textAt = (xml: string, name: string): string | undefined => {
  const [first = ""] = all(xml, name);
  return unescaped(first) || undefined;
};
const cents = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : Number(text).toFixed(2);
/** The same number without trailing zeros. */
const plain = (text: string | undefined): string | undefined =>
  text?.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
const present = <T extends Loose>(members: T): Loose =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

function shudian(xml: string): Loose {
  const [specific = "", seller = "", buyer = "", basic = "", supervision = ""] = [
    "SpecificInformation",
    "SellerInformation",
    "BuyerInformation",
    "BasicInformation",
    "TaxSupervisionInfo",
  ].map((name) => all(xml, name)[0] ?? "");
  const party = (side: string, inside: string) =>
    present({
      taxId: textAt(inside, `${side}IdNum`),
      name: textAt(inside, `${side}Name`),
      address: textAt(inside, `${side}Addr`),
      phone: textAt(inside, `${side}TelNum`),
      bankName: textAt(inside, `${side}BankName`),
      bankAccount: textAt(inside, `${side}BankAccNum`),
    });
  const red = Number(textAt(basic, "TotalTax-includedAmount")) < 0;
  const rate = (text: string | undefined) =>
    text?.endsWith("%")
      ? plain((Number(text.slice(0, -1)) / 100).toFixed(6))
      : /^\d/.test(text ?? "")
        ? plain(text)
        : text;
  const lines = all(xml, "IssuItemInformation").map((line) => {
    const quantity = plain(textAt(line, "Quantity"));
    const against = red ? Number(textAt(line, "Amount")) > 0 : Number(textAt(line, "Amount")) < 0;
    return present({
      name: textAt(line, "ItemName"),
      spec: textAt(line, "SpecMod"),
      unit: textAt(line, "MeaUnits"),
      quantity,
      unitPrice: plain(textAt(line, "UnPrice")),
      amount: cents(textAt(line, "Amount")),
      taxRate: rate(textAt(line, "TaxRate")),
      tax: cents(textAt(line, "ComTaxAm")),
      taxCode: textAt(line, "TaxClassificationCode"),
      discount: quantity === undefined && against ? true : undefined,
    });
  });
  const passengers = all(specific, "PassengerTransportation").map((each) =>
    present({
      traveller: textAt(each, "Traveler"),
      idNumber: textAt(each, "ValidIDNumber"),
      date: textAt(each, "TravelDate"),
      from: textAt(each, "Departure"),
      to: textAt(each, "Destination"),
      vehicle: textAt(each, "Vehicletype"),
      seat: textAt(each, "Seat"),
    }),
  );
  const original = textAt(specific, "OriginalInvoiceCode");
  return present({
    kind:
      textAt(all(xml, "GeneralOrSpecialVAT")[0] ?? "", "LabelCode") === "01"
        ? "special"
        : "ordinary",
    issuedAt: `${textAt(basic, "RequestTime")?.replace(" ", "T")}+08:00`,
    currency: "CNY",
    seller: party("Seller", seller),
    buyer: party("Buyer", buyer),
    lines,
    totals: {
      net: cents(textAt(basic, "TotalAmWithoutTax")),
      tax: cents(textAt(basic, "TotalTaxAm")),
      gross: cents(textAt(basic, "TotalTax-includedAmount")),
      inWords: textAt(basic, "TotalTax-includedAmountInChinese"),
    },
    remark: textAt(all(xml, "AdditionalInformation")[0] ?? "", "Remark"),
    drawer: textAt(basic, "Drawer"),
    sourceId: textAt(supervision, "InvoiceNumber"),
    taxBureau: present({
      code: textAt(supervision, "TaxBureauCode"),
      name: textAt(supervision, "TaxBureauName"),
    }),
    passengers: passengers.length > 0 ? passengers : undefined,
    reverses: original === undefined ? undefined : { sourceId: original },
  });
}

const fraction = (percent: string | undefined) =>
  percent === undefined ? 0 : Number((Number(percent) / 100).toFixed(8));

/** The members of a UBL invoice that both readers must agree on. */
function ubl(xml: string): Loose {
  const body = xml.slice(xml.search(/<(?:\w+:)?Invoice[\s>]/));
  const [seller = "", buyer = "", totals = ""] = [
    "AccountingSupplierParty",
    "AccountingCustomerParty",
    "LegalMonetaryTotal",
  ].map((name) => all(body, name)[0] ?? "");
  // the part before the seller is the header
  const head = body.slice(0, body.search(/<(?:\w+:)?AccountingSupplierParty/));
  const [tax = ""] = all(body, "TaxTotal");
  const outside = body.replaceAll(
    /<(?:\w+:)?InvoiceLine[\s>][\s\S]*?<\/(?:\w+:)?InvoiceLine>/g,
    "",
  );
  const reductions = (inside: string) =>
    all(inside, "AllowanceCharge").map((each) => [
      textAt(each, "ChargeIndicator") === "true",
      cents(textAt(each, "Amount")),
    ]);
  return {
    sourceId: textAt(head, "ID"),
    currency: textAt(head, "DocumentCurrencyCode"),
    day: textAt(head, "IssueDate"),
    remark: all(head, "Note").map(unescaped).join("\n") || undefined,
    seller: textAt(seller, "RegistrationName"),
    buyer: textAt(buyer, "RegistrationName"),
    totals: [
      "TaxExclusiveAmount",
      "TaxInclusiveAmount",
      "LineExtensionAmount",
      "PayableAmount",
    ].map((name) => cents(textAt(totals, name))),
    tax: cents(textAt(tax, "TaxAmount")),
    breakdown: all(tax, "TaxSubtotal").map((part) => [
      cents(textAt(part, "TaxableAmount")),
      cents(textAt(part, "TaxAmount")),
      fraction(textAt(part, "Percent")),
    ]),
    allowances: reductions(outside),
    lines: all(body, "InvoiceLine").map((line) => [
      textAt(line, "ID"),
      textAt(all(line, "Item")[0] ?? "", "Name"),
      plain(textAt(line, "InvoicedQuantity")),
      cents(textAt(line, "LineExtensionAmount")),
      plain(textAt(all(line, "Price")[0] ?? "", "PriceAmount")),
      fraction(textAt(all(line, "ClassifiedTaxCategory")[0] ?? "", "Percent")),
      reductions(line),
    ]),
  };
}

/** The same members of a CII. */
function cii(xml: string): Loose {
  const first = (inside: string, name: string) => all(inside, name)[0] ?? "";
  const head = first(xml, "ExchangedDocument");
  const settled = first(xml, "ApplicableHeaderTradeSettlement");
  const totals = first(settled, "SpecifiedTradeSettlementHeaderMonetarySummation");
  const noteOf = (note: string) => {
    const [subject, content = ""] = [textAt(note, "SubjectCode"), textAt(note, "Content")];
    return subject === undefined ? content : `#${subject}#${content}`;
  };
  const reductions = (inside: string) =>
    all(inside, "SpecifiedTradeAllowanceCharge").map((each) => [
      textAt(each, "Indicator") === "true",
      cents(textAt(each, "ActualAmount")),
    ]);
  return {
    sourceId: textAt(head, "ID"),
    currency: textAt(settled, "InvoiceCurrencyCode"),
    day: textAt(head, "DateTimeString")?.replace(/(....)(..)(..)/, "$1-$2-$3"),
    remark: all(head, "IncludedNote").map(noteOf).join("\n") || undefined,
    seller: textAt(first(xml, "SellerTradeParty"), "Name"),
    buyer: textAt(first(xml, "BuyerTradeParty"), "Name"),
    totals: ["TaxBasisTotalAmount", "GrandTotalAmount", "LineTotalAmount", "DuePayableAmount"].map(
      (name) => cents(textAt(totals, name)),
    ),
    tax: cents(textAt(totals, "TaxTotalAmount")),
    breakdown: all(settled, "ApplicableTradeTax").map((part) => [
      cents(textAt(part, "BasisAmount")),
      cents(textAt(part, "CalculatedAmount")),
      fraction(textAt(part, "RateApplicablePercent")),
    ]),
    allowances: reductions(settled),
    lines: all(xml, "IncludedSupplyChainTradeLineItem").map((line) => [
      textAt(line, "LineID"),
      textAt(first(line, "SpecifiedTradeProduct"), "Name"),
      plain(textAt(line, "BilledQuantity")),
      cents(textAt(line, "LineTotalAmount")),
      plain(textAt(first(line, "NetPriceProductTradePrice"), "ChargeAmount")),
      fraction(textAt(first(line, "ApplicableTradeTax"), "RateApplicablePercent")),
      reductions(line),
    ]),
  };
}

const rateOf = (taxRate: string): number => (/^\d/.test(taxRate) ? Number(taxRate) : 0);
const reductionsOf = (list: Loose[] | undefined) =>
  (list ?? []).map(({ charge, amount }) => [charge, amount]);
/** The document in the terms of `ubl` and `cii`. */
const europeanTermsOf = (document: Loose): Loose => ({
  sourceId: document["sourceId"],
  currency: document["currency"],
  day: document["issuedAt"].slice(0, 10),
  remark: document["remark"],
  seller: document["seller"].name,
  buyer: document["buyer"].name,
  totals: [
    document["totals"].net,
    document["totals"].gross,
    document["totals"].lines,
    document["totals"].payable,
  ],
  tax: document["totals"].tax,
  breakdown: document["taxBreakdown"].map(({ taxable, tax, taxRate }: Loose) => [
    taxable,
    tax,
    rateOf(taxRate),
  ]),
  allowances: reductionsOf(document["allowances"]),
  lines: document["lines"].map((line: Loose) => [
    line["id"],
    line["name"],
    line["quantity"],
    line["amount"],
    line["unitPrice"],
    rateOf(line["taxRate"]),
    reductionsOf(line["allowances"]),
  ]),
});

/**
 * A JSON invoice is its own document, except the holder; discounts have a mark. Instead of prices
 * with tax inside it has what the answer has `derived` from them.
 */
function json(text: string, derived: Loose = {}): Loose {
  const { holder: _, ...document } = JSON.parse(text);
  const red = document.totals.gross.startsWith("-");
  document.lines = document.lines.map(
    ({ grossAmount, grossUnitPrice: _, ...line }: Loose, at: number) => ({
      ...line,
      ...derived.lines?.[at],
      ...(line.quantity === undefined && (grossAmount ?? line.amount).startsWith("-") !== red
        ? { discount: true }
        : {}),
    }),
  );
  document.totals = { ...derived.totals, ...document.totals };
  return document;
}

// ── the tests ────────────────────────────────────────────────────────────────────────────────────

describe("the sample invoices, issued over HTTP", () => {
  const samples = new Map<Format, Sample[]>(
    formats.map((format) => {
      const seen = new Set<string>();
      // the same file can exist in two folders
      return [format, good(format).filter(({ text }) => !seen.has(text) && seen.add(text))];
    }),
  );
  const every = formats.flatMap((format) =>
    (samples.get(format) ?? []).map((sample) => ({
      format,
      sample,
      document: documentOf(sample.mediaType, sample.text) as Loose,
    })),
  );
  // an original before its red letter
  every.sort(
    (a, b) =>
      Number(a.document["reverses"] !== undefined) - Number(b.document["reverses"] !== undefined),
  );
  const parties = new Map<string, TestParty>();
  let maker: TestParty;
  let stranger: TestParty;
  const keys = new Map<string, { account: string; token: string }>();

  before(async function () {
    this.timeout(120_000);
    [maker, stranger] = await Promise.all([
      taxpayer("做账公司", ["issuer", "employer"]),
      taxpayer("外人公司", ["issuer", "employer"]),
    ]);
    const named = new Map<string, { name: string; currency: string }>();
    for (const { document } of every) {
      const { seller, buyer, currency } = document as {
        seller: Loose;
        buyer: Loose;
        currency: string;
      };
      if (buyer["taxId"] !== undefined && !named.has(buyer["taxId"]))
        named.set(buyer["taxId"], { name: buyer["name"], currency });
      named.set(seller["taxId"], { name: seller["name"], currency });
    }
    await Promise.all(
      [...named].map(async ([taxId, { name, currency }]) => {
        const made = await must(
          call("POST", "/v1/taxpayers", {
            name,
            taxId,
            currency,
            capabilities: ["issuer", "employer"],
          }),
        );
        const [{ token }] = await Promise.all([
          must(call("POST", "/v1/api-keys", { account: made.account, roles: ["admin"] })),
          must(
            call("PUT", `/v1/taxpayers/${encodeURIComponent(taxId)}/quota`, {
              period: month(),
              granted: "999999999999.00",
            }),
          ),
          must(
            call("POST", `/v1/taxpayers/${encodeURIComponent(taxId)}/segments`, { length: 100 }),
          ),
        ]);
        parties.set(taxId, { taxId, name, account: made.account, index: made.index, token });
      }),
    );
  });

  it("every format has samples", () => {
    for (const format of formats) expect(samples.get(format)?.length, format).greaterThan(2);
    expect(bad()).lengthOf(Object.keys(expectedRefusals).length);
  });

  /**
   * The holder of an untitled invoice: the person that JSON names, or a new person for its buyer.
   */
  async function holderOf(
    document: Loose,
    sample: Sample,
  ): Promise<{ account: string; token: string; query: string }> {
    const written =
      sample.mediaType === "application/json"
        ? (JSON.parse(sample.text).holder as string | undefined)
        : undefined;
    // the samples' holder is the second account of every development chain, whose key is public
    if (written !== undefined) expect(written).equals(knownWallet.address);
    const name = document["buyer"].name;
    const known = keys.get(written ?? name);
    const key = written === undefined ? { custody: "gateway" } : await ownKey(maker, knownWallet);
    const { account } =
      known ??
      (await must(
        call("POST", "/v1/persons", { name: name.slice(0, 100), key }, { token: maker.token }),
      ));
    const token =
      known?.token ??
      (
        await must(
          call("POST", "/v1/api-keys", { account, roles: ["holder"] }, { token: maker.token }),
        )
      ).token;
    keys.set(written ?? name, { account, token });
    return { account, token, query: written === undefined ? `?holder=${account}` : "" };
  }

  for (const { format, sample, document } of every) {
    it(`${sample.name} is issued and read back with its content intact`, async () => {
      const seller = parties.get(document["seller"].taxId) as TestParty;
      const buyer = parties.get(document["buyer"].taxId);
      const holder = buyer
        ? { account: buyer.account, token: buyer.token, query: "" }
        : await holderOf(document, sample);
      const reply = await call("POST", `/v1/invoices${holder.query}`, sample.text, {
        token: seller.token,
        type: sample.mediaType,
      });
      expect(reply.status, JSON.stringify(reply.body)).equals(201);
      const { number } = reply.body;

      const shown = (
        await call("GET", `/v1/invoices/${number}`, undefined, { token: seller.token })
      ).body;
      const { source, ...read } = shown.document;
      if (format === "json") expect(read).deep.equals(json(sample.text, reply.body.derived));
      else if (format === "shudian") expect(read).deep.equals(shudian(sample.text));
      else
        expect(europeanTermsOf(read)).deep.equals(
          format === "ubl" ? ubl(sample.text) : cii(sample.text),
        );
      expect(shown).deep.includes({
        number,
        status: "issued",
        titled: buyer !== undefined,
        seller: seller.name,
        currency: read.currency,
        gross: read.totals.gross,
      });
      if (read.reverses === undefined) {
        expect(shown.holder).equals(holder.account);
        // the buyer also sees its own mark of book entry, which the issuer does not
        const held = (
          await call("GET", `/v1/invoices/${number}`, undefined, { token: holder.token })
        ).body;
        expect(held).deep.equals(buyer ? { ...shown, entry: "01" } : shown);
      } else {
        const originals = every.filter(
          (each) =>
            each.document["seller"].taxId === seller.taxId &&
            each.document["sourceId"] === read.reverses.sourceId,
        );
        expect(originals).lengthOf(1);
        await untilStatus(shown.reverses, "reversed");
        expect((await record(shown.reverses)).state).equals("reversed");
      }

      const { url } = await sandbox();
      const original = await fetch(`${url}/v1/invoices/${number}/original`, {
        headers: { authorization: `Bearer ${seller.token}` },
      });
      if (format === "json") expect([original.status, source]).deep.equals([404, undefined]);
      else {
        expect(original.headers.get("content-type")).equals("application/octet-stream");
        expect(original.headers.get("content-disposition")).equals(
          `attachment; filename="${number}.original.xml"`,
        );
        expect(
          Buffer.from(await original.arrayBuffer()).equals(sample.body),
          "byte for byte",
        ).equals(true);
        expect(source.format).equals(format);
      }
      for (const path of ["", "/original", "/history"])
        refused(
          await call("GET", `/v1/invoices/${number}${path}`, undefined, {
            token: stranger.token,
            headers: { accept: "*/*" },
          }),
          "not-found",
        );
    });
  }

  for (const sample of bad()) {
    it(`${sample.name} is refused with the code of expected.json, and leaves nothing behind`, async () => {
      const { code, field, rule } = expectedRefusals[sample.name] as {
        code: "invalid-document";
        field: string;
        rule: string;
      };
      const taxId = [...parties.keys()].find((each) => sample.text.includes(each));
      const { token } = parties.get(taxId ?? "") ?? maker;
      const before = await traces();
      const reply = await call("POST", "/v1/invoices", sample.text, {
        token,
        type: sample.mediaType,
        wait: 0,
      });
      refused(reply, code, { field, rule });
      for (const each of reply.body.errors) expect(each).has.all.keys("field", "rule", "detail");
      expect(await traces()).deep.equals(before);
    });
  }

  it("a bad body under a wrong type, of another charset or without a type is refused before the parser runs", async () => {
    const [sample] = samples.get("shudian") as [Sample];
    const before = await traces();
    for (const type of [
      "text/plain",
      "application/pdf",
      "application/xml; charset=big5",
      "application/vnd.onepiao.ubl",
    ]) {
      refused(
        await call("POST", "/v1/invoices", sample.text, { token: maker.token, type }),
        "unsupported-media-type",
      );
    }
    refused(
      await call("POST", "/v1/invoices", sample.text, {
        token: maker.token,
        type: "application/json",
      }),
      "malformed-document",
      {
        field: "",
        rule: "not-json",
      },
    );
    refused(
      await call("POST", "/v1/invoices", sample.text, {
        token: maker.token,
        type: "application/vnd.onepiao.ubl+xml",
      }),
      "invalid-document",
      {
        field: "/EInvoice",
        rule: "unknown-root",
      },
    );
    expect(await traces()).deep.equals(before);
  });

  it("after all of them the gateway still serves, and every number that it assigned is sealed", async () => {
    const { url } = await sandbox();
    expect((await fetch(`${url}/readyz`)).status).equals(200);
    const accounts = [...parties.values()].map(({ index }) => index);
    const rows = await (await database())<{ accepted: string; issued: string }[]>`
      select count(*)::text as accepted, count(s.number)::text as issued from invoices i left join invoice_states s on s.number = i.number where i.issuer = any(${accounts})`;
    expect(rows).deep.equals([{ accepted: String(every.length), issued: String(every.length) }]);
  });
});
