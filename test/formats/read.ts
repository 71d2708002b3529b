import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { canonicalJson, type InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { formatNames, formats } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice, requireIssuable } from "@onepiao/protocol/formats/read.ts";
import { checkDocument } from "@onepiao/protocol/formats/rules.ts";
import { parseMoney } from "@onepiao/protocol/values/money.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import { bad, expectedRefusals, good, load, samplesRoot } from "./samples.ts";

/** Everything between the tags of a name, read with nothing but a regular expression. */
const texts = (xml: string, tag: string): string[] =>
  [...xml.matchAll(new RegExp(`<${tag}(?: [^>]*)?>([^<]*)</${tag}>`, "g"))].map((match) =>
    (match[1] ?? "")
      .trim()
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&amp;", "&"),
  );
const firstText = (xml: string, tag: string): string => texts(xml, tag)[0] ?? "";
const between = (xml: string, tag: string): string =>
  new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(xml)?.[1] ?? "";
const blocks = (xml: string, tag: string): string[] =>
  [...xml.matchAll(new RegExp(`<${tag}>[\\s\\S]*?</${tag}>`, "g"))].map((match) => match[0]);
/** Numbers as such: the documents write 336.9 where a document says 336.90. */
const numbers = (strings: readonly (string | undefined)[]) =>
  strings.map((each) => (each === undefined || each === "" ? undefined : Number(each)));
const orNothing = (string: string) => (string === "" ? undefined : string);

describe("a 数电票", () => {
  for (const { name, text, body } of good("shudian")) {
    it(`keeps its content: ${name}`, () => {
      const { document, source, holder } = readInvoice("application/xml; charset=UTF-8", body);
      for (const [side, party] of [
        ["Seller", document.seller],
        ["Buyer", document.buyer],
      ] as const) {
        expect(party).to.deep.include({ name: firstText(text, `${side}Name`) });
        const expected = ["IdNum", "Addr", "TelNum", "BankName", "BankAccNum"].map((tag) =>
          orNothing(firstText(text, side + tag)),
        );
        expect([
          party.taxId,
          party.address,
          party.phone,
          party.bankName,
          party.bankAccount,
        ]).to.deep.equal(expected);
      }
      const lines = blocks(text, "IssuItemInformation");
      expect(document.lines).to.have.length(lines.length).greaterThan(0);
      expect(document.lines.map((line) => line.name)).to.deep.equal(texts(text, "ItemName"));
      expect(document.lines.map((line) => line.spec)).to.deep.equal(
        texts(text, "SpecMod").map(orNothing),
      );
      expect(document.lines.map((line) => line.unit)).to.deep.equal(
        texts(text, "MeaUnits").map(orNothing),
      );
      expect(document.lines.map((line) => line.taxCode)).to.deep.equal(
        texts(text, "TaxClassificationCode"),
      );
      for (const [member, tag] of [
        ["quantity", "Quantity"],
        ["unitPrice", "UnPrice"],
        ["amount", "Amount"],
        ["tax", "ComTaxAm"],
      ] as const)
        expect(numbers(document.lines.map((line) => line[member])), tag).to.deep.equal(
          numbers(texts(text, tag)),
        );
      const rates = texts(text, "TaxRate").map((rate) =>
        rate.endsWith("%")
          ? Number(rate.slice(0, -1)) / 100
          : /\d/.test(rate)
            ? Number(rate)
            : rate,
      );
      expect(
        document.lines.map((line) =>
          /\d/.test(line.taxRate) ? Number(line.taxRate) : line.taxRate,
        ),
      ).to.deep.equal(rates);
      expect(document.lines.map((line) => line.discount === true)).to.deep.equal(
        lines.map((line) => firstText(line, "Quantity") === ""),
      );
      expect(document.totals).to.deep.equal({
        net: firstText(text, "TotalAmWithoutTax"),
        tax: firstText(text, "TotalTaxAm"),
        gross: firstText(text, "TotalTax-includedAmount"),
        inWords: firstText(text, "TotalTax-includedAmountInChinese"),
      });
      expect(document.sourceId)
        .to.equal(firstText(text, "InvoiceNumber"))
        .and.match(/^\d{20}$/);
      expect(document.kind).to.equal(
        firstText(between(text, "GeneralOrSpecialVAT"), "LabelCode") === "01"
          ? "special"
          : "ordinary",
      );
      expect(document.issuedAt).to.equal(
        `${firstText(text, "RequestTime").replace(" ", "T")}+08:00`,
      );
      expect(document.remark).to.equal(orNothing(firstText(text, "Remark")));
      expect(document.drawer).to.equal(firstText(text, "Drawer"));
      expect(document.taxBureau).to.deep.equal({
        code: firstText(text, "TaxBureauCode"),
        name: firstText(text, "TaxBureauName"),
      });
      expect(document.passengers?.map((each) => each.idNumber) ?? []).to.deep.equal(
        texts(text, "ValidIDNumber"),
      );
      expect(
        document.passengers?.map((each) =>
          [each.traveller, each.from, each.to, each.vehicle].join(),
        ) ?? [],
      ).to.deep.equal(
        blocks(text, "PassengerTransportation").map((each) =>
          ["Traveler", "Departure", "Destination", "Vehicletype"]
            .map((tag) => firstText(each, tag))
            .join(),
        ),
      );
      expect(document.reverses?.sourceId).to.equal(
        orNothing(firstText(text, "OriginalInvoiceCode")),
      );
      expect(document.source).to.deep.equal({
        format: "shudian",
        sha256: createHash("sha256").update(body).digest("hex"),
      });
      expect(
        Buffer.from(source?.bytes ?? []).equals(body),
        "the original is kept byte for byte",
      ).to.equal(true);
      expect(holder).to.equal(undefined);
    });
  }
});

describe("a UBL invoice", () => {
  for (const { name, text, body } of good("ubl")) {
    it(`keeps its content: ${name}`, () => {
      const { document, source } = readInvoice("text/xml", body);
      const lines = blocks(text, "cac:InvoiceLine");
      expect(document.lines).to.have.length(lines.length).greaterThan(0);
      const outside = lines.reduce((rest, line) => rest.replace(line, ""), text);
      for (const [index, xml] of lines.entries()) {
        const line = document.lines[index];
        expect(numbers([line?.amount, line?.quantity, line?.unitPrice])).to.deep.equal(
          numbers([
            firstText(xml, "cbc:LineExtensionAmount"),
            firstText(xml, "cbc:InvoicedQuantity"),
            firstText(xml, "cbc:PriceAmount"),
          ]),
        );
        expect(line?.taxCategory).to.equal(
          firstText(between(xml, "cac:ClassifiedTaxCategory"), "cbc:ID"),
        );
        if (line?.taxCategory === "S")
          expect(Number(line.taxRate) * 100).to.be.closeTo(
            Number(firstText(xml, "cbc:Percent")),
            1e-9,
          );
        expect(line?.taxRate === "免税").to.equal(line?.taxCategory === "E");
        expect(line?.taxRate === "不征税").to.equal(line?.taxCategory === "O");
        expect(line?.tax, "UBL has no line tax").to.equal(undefined);
        expect(line?.allowances?.length ?? 0).to.equal(blocks(xml, "cac:AllowanceCharge").length);
        const item = between(xml, "cac:Item");
        if (!item.includes("CDATA") && !item.includes("&"))
          expect(line?.name).to.equal(firstText(item, "cbc:Name"));
      }
      const total = between(outside, "cac:LegalMonetaryTotal");
      const { totals } = document;
      expect(
        numbers([
          totals.lines,
          totals.net,
          totals.gross,
          totals.prepaid,
          totals.payable,
          totals.allowances,
          totals.charges,
        ]),
      ).to.deep.equal(
        numbers(
          [
            "LineExtensionAmount",
            "TaxExclusiveAmount",
            "TaxInclusiveAmount",
            "PrepaidAmount",
            "PayableAmount",
            "AllowanceTotalAmount",
            "ChargeTotalAmount",
          ].map((tag) => firstText(total, `cbc:${tag}`)),
        ),
      );
      const subtotals = blocks(outside, "cac:TaxSubtotal");
      expect(
        numbers((document.taxBreakdown ?? []).flatMap((part) => [part.taxable, part.tax])),
      ).to.deep.equal(
        numbers(
          subtotals.flatMap((xml) => [
            firstText(xml, "cbc:TaxableAmount"),
            firstText(xml, "cbc:TaxAmount"),
          ]),
        ),
      );
      const supplier = between(text, "cac:AccountingSupplierParty");
      expect(document.seller.name).to.equal(firstText(supplier, "cbc:RegistrationName"));
      expect(document.seller.taxId?.replace(/^DE/, "")).to.equal(
        firstText(between(supplier, "cac:PartyTaxScheme"), "cbc:CompanyID")
          .replace(/[^A-Z0-9]/g, "")
          .replace(/^DE/, ""),
      );
      for (const tag of ["cbc:StreetName", "cbc:CityName", "cbc:PostalZone"])
        expect(document.seller.address).to.include(firstText(supplier, tag));
      const customer = between(text, "cac:AccountingCustomerParty");
      expect(document.buyer.name).to.equal(firstText(customer, "cbc:RegistrationName"));
      expect(document.buyer.taxId === undefined).to.equal(!customer.includes("PartyTaxScheme"));
      expect(document.sourceId).to.equal(firstText(outside, "cbc:ID"));
      expect(document.issuedAt.slice(0, 10)).to.equal(firstText(outside, "cbc:IssueDate"));
      expect(document.dueDate).to.equal(orNothing(firstText(outside, "cbc:DueDate")));
      expect(document.currency).to.equal(firstText(outside, "cbc:DocumentCurrencyCode"));
      expect(document.attachments?.length ?? 0).to.equal(
        text.split("<cbc:EmbeddedDocumentBinaryObject").length - 1,
      );
      expect(JSON.stringify(document).length, "attachments stay in the original").to.be.lessThan(
        12_000,
      );
      expect(Buffer.from(source?.bytes ?? []).equals(body)).to.equal(true);
    });
  }
  it("reads numeric references and CDATA as text", () => {
    expect(
      readInvoice(
        "application/xml",
        load(samplesRoot, "ubl/01-two-rates.xml").body,
      ).document.lines.map((line) => line.name),
    ).to.deep.equal(["Ordner & Register, A4", "Fachbuch „Rechnung & Steuer“"]);
  });
});

describe("an invoice in JSON", () => {
  // what a gross becomes is tried in gross.ts
  const stated = good("json").filter(({ text }) => !/"gross(?:Amount|UnitPrice)"/.test(text));
  for (const { name, text, body } of stated) {
    it(`keeps its content: ${name}`, () => {
      const { holder: expectedHolder, ...expected } = JSON.parse(text) as InvoiceDocument & {
        holder?: string;
      };
      const { document, holder, source } = readInvoice("application/json", body);
      const marked = expected.lines.map((line) =>
        line.quantity === undefined && line.unitPrice === undefined
          ? { ...line, discount: true }
          : line,
      );
      expect(document).to.deep.equal({ ...expected, lines: marked });
      expect(holder).to.equal(expectedHolder);
      expect(source).to.equal(undefined);
    });
  }
  it("is read in less than two milliseconds of CPU, on average of two thousand", () => {
    const { body } = load(samplesRoot, "json/01-restaurant.json");
    const start = process.threadCpuUsage();
    for (let run = 0; run < 2_000; run++) readInvoice("application/json", body);
    expect(process.threadCpuUsage(start).user / 1_000).to.be.lessThan(4_000);
  });
});

describe("a document that breaks a rule", () => {
  const readme = readFileSync(join(samplesRoot, "README.md"), "utf8");
  it("stands in the table of samples, and every row has its file", () => {
    expect(
      bad()
        .map(({ name }) => name)
        .sort(),
    ).to.deep.equal(Object.keys(expectedRefusals).sort());
    for (const [name, { rule }] of Object.entries(expectedRefusals))
      expect(readme).to.match(
        new RegExp(`\\| \`${name.replaceAll(".", "\\.")}\` \\|.*\\| \`${rule}\` \\|`),
      );
  });
  for (const { name, mediaType, body } of bad()) {
    const expected = expectedRefusals[name];
    it(`is refused with ${expected?.rule}: ${name}`, () => {
      let refused: unknown;
      try {
        requireIssuable(readInvoice(mediaType, body));
      } catch (error) {
        refused = error;
      }
      expect(refused).to.be.instanceOf(Problem);
      if (!(refused instanceof Problem)) return;
      const first = refused.violations[0];
      expect({
        code: refused.code as string,
        field: first?.field,
        rule: first?.rule,
      }).to.deep.equal(expected);
    });
  }
});

describe("a document's text", () => {
  it("does not depend on the order of members", () => {
    const { document } = readInvoice(
      "application/json",
      load(samplesRoot, "json/02-discount.json").body,
    );
    const reversed = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(reversed)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, member]) => [key, reversed(member)]),
            )
          : value;
    expect(canonicalJson(reversed(document))).to.equal(canonicalJson(document));
    expect(JSON.parse(canonicalJson(document))).to.deep.equal(document);
    expect(canonicalJson({ b: undefined, a: ["ü", true], _: "\u2028" })).to.equal(
      '{"_":"\u2028","a":["ü",true]}',
    );
  });
  it("reads back as a document that breaks no rule", () => {
    for (const folder of formatNames) {
      for (const { mediaType, body } of good(folder)) {
        const { document } = readInvoice(mediaType, body);
        expect(
          checkDocument(
            JSON.parse(canonicalJson(document)) as InvoiceDocument,
            formats[folder].rules,
          ),
        ).to.deep.equal([]);
        expect(parseMoney(document.totals.net) + parseMoney(document.totals.tax)).to.equal(
          parseMoney(document.totals.gross),
        );
      }
    }
  });
});
