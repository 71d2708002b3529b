/**
 * One identity for every invoice that was issued elsewhere, over HTTP: other spellings of it are
 * refused, other facts under it are a conflict, and a look alarms nobody.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { samplesRoot } from "../formats/samples.ts";
import {
  call,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, record, refused, until } from "./observe.ts";

const scenic = readFileSync(join(samplesRoot, "shudian/06-scenic-person.xml"), "utf8");
const inside = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(scenic)?.[1] ?? "";
let serial = Math.floor(Math.random() * 1_000_000);
/** A number of the national platform: its series is one that the bureau allots to nobody. */
const nationalNumber = (): string => {
  serial += 1;
  return `26450${serial.toString().padStart(15, "0")}`;
};
/** A 数电票 to a person; every fact in it may be another one. */
const shudian = (facts: { number?: string; seller?: string; name?: string; day?: string } = {}) =>
  scenic
    .replaceAll(inside("InvoiceNumber"), facts.number ?? nationalNumber())
    .replaceAll(inside("SellerIdNum"), facts.seller ?? freshTaxId())
    .replaceAll(inside("SellerName"), facts.name ?? inside("SellerName"));

/** An invoice in euro of a seller abroad, as the files of the field are. */
type Foreign = {
  number: string;
  taxId: string;
  country?: string;
  scheme?: string;
  day?: string;
  gross?: string;
  name?: string;
  /** Further ids of the seller for tax, by their scheme. */
  more?: [string, string][];
};
function ubl({
  number,
  taxId,
  country = "GR",
  scheme = "VAT",
  day = "2026-11-03",
  gross = "119.00",
  name = "Muster Handel",
  more = [],
}: Foreign): string {
  const net = "100.00";
  const tax = (Number(gross) - 100).toFixed(2);
  const money = (tag: string, amount: string) =>
    `<cbc:${tag} currencyID="EUR">${amount}</cbc:${tag}>`;
  const percent = Number(tax);
  const category = (tag: string) =>
    `<cac:${tag}><cbc:ID>S</cbc:ID><cbc:Percent>${percent}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:${tag}>`;
  const address = (code: string) =>
    `<cac:PostalAddress><cbc:CityName>Ort</cbc:CityName><cac:Country><cbc:IdentificationCode>${code}</cbc:IdentificationCode></cac:Country></cac:PostalAddress>`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?><Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">',
    `<cbc:CustomizationID>urn:cen.eu:en16931:2017</cbc:CustomizationID><cbc:ID>${number}</cbc:ID><cbc:IssueDate>${day}</cbc:IssueDate><cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>`,
    `<cac:AccountingSupplierParty><cac:Party>${address(country)}${[[taxId, scheme], ...more].map(([id, word]) => `<cac:PartyTaxScheme><cbc:CompanyID>${id}</cbc:CompanyID><cac:TaxScheme><cbc:ID>${word}</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>`).join("")}<cac:PartyLegalEntity><cbc:RegistrationName>${name}</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:AccountingSupplierParty>`,
    `<cac:AccountingCustomerParty><cac:Party>${address("DE")}<cac:PartyLegalEntity><cbc:RegistrationName>Empfaenger</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:AccountingCustomerParty>`,
    `<cac:TaxTotal>${money("TaxAmount", tax)}<cac:TaxSubtotal>${money("TaxableAmount", net)}${money("TaxAmount", tax)}${category("TaxCategory")}</cac:TaxSubtotal></cac:TaxTotal>`,
    `<cac:LegalMonetaryTotal>${money("LineExtensionAmount", net)}${money("TaxExclusiveAmount", net)}${money("TaxInclusiveAmount", gross)}${money("PayableAmount", gross)}</cac:LegalMonetaryTotal>`,
    `<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="C62">1</cbc:InvoicedQuantity>${money("LineExtensionAmount", net)}<cac:Item><cbc:Name>Ware</cbc:Name>${category("ClassifiedTaxCategory")}</cac:Item><cac:Price>${money("PriceAmount", net)}</cac:Price></cac:InvoiceLine></Invoice>`,
  ].join("");
}

describe("the identity of invoices issued elsewhere, over HTTP", () => {
  type By = { token: string };
  let firm: TestParty;
  let rival: TestParty;
  let bureau: By;
  const register = (body: unknown, by: By, query = ""): Promise<Reply> =>
    call("POST", `/v1/external-invoices${query}`, body, {
      token: by.token,
      type: typeof body === "string" ? "application/xml" : "application/json",
    });
  const look = (body: unknown, by: By) => register(body, by, "?dryRun=true");
  const get = (path: string, by: By) => must(call("GET", path, undefined, { token: by.token }));
  const decide = (claim: string, word: string, by: By, body?: unknown) =>
    must(call("POST", `/v1/claims/${claim}/${word}`, body, { token: by.token }));
  const events = async (id: string, type: string, by: By = bureau): Promise<Loose[]> =>
    (await get(`/v1/events?number=${id}&types=${type}`, by)).items;
  const fresh = () => crypto.randomUUID().slice(0, 8);

  before(async () => {
    bureau = (await sandbox()).bureau;
    [firm, rival] = await Promise.all([
      taxpayer("身份一公司", ["employer"]),
      taxpayer("身份二公司", ["employer"]),
    ]);
  });

  describe("one invoice in two spellings is claimed once", () => {
    const pairs: [string, Partial<Foreign>, Partial<Foreign>][] = [
      ["Greece by EL and by nothing", { taxId: "EL061828591" }, { taxId: "061828591" }],
      ["Greece by EL and by GR", { taxId: "EL 061 828 591" }, { taxId: "GR061828591" }],
      [
        "Belgium with and without its zero",
        { taxId: "BE0123456749", country: "BE" },
        { taxId: "BE123456749", country: "BE" },
      ],
      [
        "Switzerland in two languages",
        { taxId: "CHE-107.787.577 MWST", country: "CH" },
        { taxId: "CHE107787577IVA", country: "CH" },
      ],
      [
        "a letter of the Cyrillic script in the tax id",
        { taxId: "EL061828591" },
        { taxId: "\u0415L061828591" },
      ],
    ];
    for (const [name, a, b] of pairs)
      it(name, async () => {
        const number = `RE-${fresh()}`;
        const first = await must(register(ubl({ number, taxId: "", ...a }), firm));
        const second = await register(ubl({ number, taxId: "", ...b }), rival);
        expect(refused(second, "already-claimed")["original"].id).equals(first.id);
      });

    it("the number with other dashes, zeros, letters, labels and cases", async () => {
      const serial = String(Math.floor(Math.random() * 1_000_000) + 1);
      const taxId = "EL061828591";
      const first = await must(register(ubl({ number: `RE-2026-${serial}`, taxId }), firm));
      for (const number of [
        `RE\u20132026\u2013${serial}`,
        `RE/2026/${serial}`,
        `re 2026 000${serial}`,
        `R\u0415-2026-${serial}`,
        `Rechnung Nr. RE-2026-${serial}`,
        `\u2116 RE-2026-${serial}`,
      ])
        expect(
          refused(await register(ubl({ number, taxId }), rival), "already-claimed")["original"].id,
          number,
        ).equals(first.id);
      // where a group of digits ends does count
      const other = `RE-20261-${serial.slice(1) || "0"}`;
      expect((await register(ubl({ number: other, taxId }), rival)).status).equals(201);
    });
  });

  it("the same number of another year is another invoice, and nobody is accused", async () => {
    const [number, taxId] = [`0${fresh()}`, "EL061828591"];
    const first = await must(register(ubl({ number, taxId, day: "2025-11-03" }), firm));
    const second = await must(register(ubl({ number, taxId, day: "2026-01-07" }), rival));
    expect(second.id).not.equals(first.id);
    expect(await events(first.id, "reimbursement.refused")).deep.equals([]);
  });

  it("a document with several ids of its seller is admitted under all of them, and is one invoice", async () => {
    const number = `A-${fresh()}`;
    const gln = `40123${Math.floor(Math.random() * 100_000_000)}`;
    const seller = (taxId: string) => ({
      taxId,
      name: "Muster Handel",
      country: "DE",
      identifiers: [{ id: gln, scheme: "0088" }],
    });
    const document = (taxId: string) => ({
      ...invoiceOf({ taxId, name: "" }, { name: "个人" }, { sourceId: number, currency: "EUR" }),
      seller: seller(taxId),
    });
    const both = document("DE123456789");
    const free = await must(look(both, firm));
    expect([free.state, free.ids.length]).deep.equals(["free", 2]);
    const worker = await person(firm, "赵一");
    const made = await must(register(both, firm, `?holder=${worker.account}`));
    expect(made.id).equals(free.ids[0]);
    for (const id of free.ids)
      expect((await record(BigInt(id).toString())).state, id).equals("claimed");
    // to its parties it is one invoice, in the claim, in the feed and in the statistics
    const claim = await get(made.claim.href, worker);
    expect(claim.invoices).deep.equals([
      { number, status: "claimed", external: true, id: made.id },
    ]);
    const created = await get(`/v1/events?types=claim.created`, worker);
    expect(created.items.map((event: Loose) => event.external)).deep.equals([made.id]);
    // a copy with only one of the ids is refused, whichever employer brings it
    const copy = document("DE1234567890");
    const problem = refused(await register(copy, rival), "already-claimed");
    expect(free.ids).includes(problem["original"].id);
    expect(refused(await register(copy, firm), "external-registered")["original"].id).equals(
      made.id,
    );
    expect((await get(`/v1/external-invoices/${free.ids[1]}`, firm)).id).equals(made.id);
    const sql = await database();
    const admitted = async () =>
      (
        await sql<{ count: bigint }[]>`
          select coalesce(sum(count), 0)::bigint as count from stats_acts where kind = 'reimbursed' and grain = 'month'`
      )[0]?.count as bigint;
    const before = await admitted();
    await decide(made.claim.id, "reimburse", firm);
    for (const id of free.ids)
      expect((await record(BigInt(id).toString())).state, id).equals("reimbursed");
    expect(Number((await admitted()) - before)).equals(1);
    // one invoice has one entry, under whichever of its ids it is named
    const entry = (invoice: string) =>
      call("POST", "/v1/entries", { mark: "02", invoices: [invoice] }, { token: firm.token });
    expect((await must(entry(free.ids[1]))).invoices[0].invoice).equals(made.id);
    refused(await entry(made.id), "already-entered");
    refused(await entry(free.ids[1]), "already-entered");
    expect((await get(`/v1/invoices/${free.ids[1]}/entry`, firm)).mark).equals("02");
    // found by the number that it was issued under
    const listed = await get(
      `/v1/claims?as=employer&invoice=${number.toLowerCase()}&seller=DE123456789`,
      firm,
    );
    expect(listed.items.map((item: Loose) => item.id)).deep.equals([made.claim.id]);
  });

  it("a file with VAT id and tax number is the same as one with the tax number only", async () => {
    const number = `DE-${fresh()}`;
    const taxNumber = "12/345/67890";
    const both = { number, taxId: "DE123456789", country: "DE", more: [[taxNumber, "FC"]] };
    const made = await must(register(ubl(both as Foreign), firm));
    const alone = ubl({ number, taxId: taxNumber, country: "DE", scheme: "FC" });
    refused(await register(alone, rival), "already-claimed");
    expect(refused(await register(alone, firm), "external-registered")["original"].id).equals(
      made.id,
    );
  });

  it("after a rejection every id is free again", async () => {
    const number = `B-${fresh()}`;
    const document = (taxId: string) => ({
      ...invoiceOf({ taxId, name: "" }, { name: "个人" }, { sourceId: number, currency: "EUR" }),
      seller: {
        taxId,
        name: "Muster",
        country: "DE",
        identifiers: [{ id: "4098765000003", scheme: "0088" }],
      },
    });
    const made = await must(register(document("DE123456789"), firm));
    await decide(made.claim.id, "reject", firm, { reason: "not ours" });
    const other = await must(register(document("DE1234567890"), rival));
    refused(await register(document("DE123456789"), firm), "already-claimed");
    await decide(other.claim.id, "reimburse", rival);
    refused(await register(document("DE123456789"), firm), "already-reimbursed");
  });

  describe("the same national number with other facts", () => {
    it("is a conflict, not a second invoice: refused, recorded once, shown to the bureau", async () => {
      const number = nationalNumber();
      const seller = freshTaxId();
      const first = await must(register(shudian({ number, seller }), firm));
      const forged = shudian({ number, seller: freshTaxId(), name: "另一家店" });
      const problem = refused(await register(forged, rival), "external-conflict");
      expect(problem["differs"]).deep.equals(["seller"]);
      expect(problem["original"]).deep.equals({
        id: first.id,
        state: "claimed",
        since: problem["original"].since,
      });
      expect(JSON.stringify(problem)).not.includes(seller).and.not.includes(firm.taxId);
      refused(await register(forged, rival), "external-conflict");
      const [event, ...more] = await until("the bureau has the event", async () => {
        const all = await events(first.id, "external.conflict");
        return all.length > 0 ? all : undefined;
      });
      expect(more).deep.equals([]);
      expect(event?.["data"]).deep.equals({
        differs: ["seller"],
        by: rival.account,
        employer: rival.index,
        claim: first.claim.id,
      });
      expect((await events(first.id, "external.conflict", rival))[0]?.["data"]).deep.equals({
        differs: ["seller"],
      });
      expect(await events(first.id, "external.conflict", firm)).deep.equals([]);
      const findingsOf = async (by: By) =>
        (await get("/v1/external-findings?kind=conflict", by)).items.filter(
          (item: Loose) => item.id === first.id,
        );
      const [finding] = await findingsOf(bureau);
      expect(finding).deep.includes({ kind: "conflict", number, differs: ["seller"] });
      expect(finding.employer.taxId).equals(rival.taxId);
      expect(finding.stated.seller.name).equals("另一家店");
      expect(finding.registered.seller.taxId).equals(seller);
      expect(finding.registered.employer.taxId).equals(firm.taxId);
      expect(finding.registered.claim.id).equals(first.claim.id);
      // the employer whose document it was sees its own side of it
      const [own, ...others] = await findingsOf(rival);
      expect([own.registered, others]).deep.equals([undefined, []]);
      expect(await findingsOf(firm)).deep.equals([]);
      // nothing went to the chain
      expect((await record(BigInt(first.id).toString())).version).equals(1);
      // and what two employers may each hold is refused as before
      refused(await register(shudian({ number, seller }), rival), "already-claimed");
    });

    it("is one for its own employer too, by total and by day; after a rejection it is free", async () => {
      const number = nationalNumber();
      const seller = { taxId: freshTaxId(), name: "店" };
      const dated = (issuedAt: string, more: object = {}) =>
        invoiceOf(seller, { name: "个人" }, { sourceId: number, issuedAt, ...more });
      const made = await must(register(dated("2026-11-03T12:31:07+08:00"), firm));
      const day = refused(
        await register(dated("2026-10-03T12:31:07+08:00"), firm),
        "external-conflict",
      );
      expect(day["differs"]).deep.equals(["date"]);
      expect(day["original"].claim).equals(made.claim.id);
      const euros = dated("2026-11-03T12:31:07+08:00", { currency: "EUR" });
      expect(refused(await register(euros, rival), "external-conflict")["differs"]).deep.equals([
        "total",
      ]);
      // a night apart is a matter of the clock
      refused(await register(dated("2026-11-02T23:59:59+08:00"), firm), "external-registered");
      await decide(made.claim.id, "reject", firm, { reason: "typed wrongly" });
      expect((await register(dated("2026-10-03T12:31:07+08:00"), rival)).status).equals(201);
    });
  });

  it("ids of Chinese sellers that are older than GB 32100, and a person's, are read", async () => {
    for (const seller of ["530102123456789", "99999919900101001600", "360426199101010071"]) {
      const made = await must(register(shudian({ seller }), firm));
      expect(made.document.seller.taxId).equals(seller);
    }
    // a person as buyer is nobody's title
    const titled = invoiceOf(
      { taxId: freshTaxId(), name: "店" },
      { name: "某人", taxId: "360426199101010071" },
      { sourceId: nationalNumber() },
    );
    const made = await must(register(titled, firm));
    expect(made.notProven).includes("title");
  });

  it("a rail ticket, and a receipt of a shop abroad, have no id of their seller and are claimed once", async () => {
    const shape = (sourceId: string, seller: object, more: object = {}) => ({
      ...invoiceOf({ taxId: freshTaxId(), name: "" }, { name: "个人" }, { sourceId, ...more }),
      seller,
    });
    const number = nationalNumber();
    const ticket = shape(number, { name: "中国铁路" });
    const made = await must(register(ticket, firm));
    expect(made.notProven).includes("tax-id-form");
    expect(made.notes[0]).deep.includes({ field: "/seller/taxId", rule: "missing-member" });
    refused(await register(ticket, rival), "already-claimed");
    // a seller beside the same number does not make another invoice of it
    refused(await register(shudian({ number }), rival), "external-conflict");
    const receipt = (name: string, more: object = {}) =>
      shape(`R-${number.slice(-9)}`, { name, country: "US" }, { currency: "USD", ...more });
    const paid = await must(register(receipt("Joe's Diner"), firm));
    expect(
      refused(await register(receipt("JOE’S  DINER"), rival), "already-claimed")["original"].id,
    ).equals(paid.id);
    await must(register(receipt("Ann's Diner"), rival));
    // at issuing the seller's id is required, as before
    const shop = await taxpayer("无号店", ["issuer"]);
    const issue = await call("POST", "/v1/invoices", ticket, { token: shop.token });
    refused(issue, "invalid-document", { field: "/seller/taxId", rule: "missing-member" });
  });

  it("a number that does not say which invoice it is is refused with what to do", async () => {
    const numbered = (sourceId: string) =>
      invoiceOf({ taxId: freshTaxId(), name: "店" }, { name: "个人" }, { sourceId });
    for (const [number, rule] of [
      ["12345678", "code-missing"],
      ["0012345678", "code-missing"],
      ["320015113012345678", "code-and-number"],
    ] as const)
      refused(await register(numbered(number), firm), "invalid-document", {
        field: "/sourceId",
        rule,
      });
    const code = String(Math.floor(Math.random() * 1_000_000_000)).padStart(12, "04");
    const made = await must(register(numbered(`${code}-12345678`), firm));
    // another seller in it does not make another invoice of it
    const other = refused(await register(numbered(`${code} 12345678`), rival), "external-conflict");
    expect([other["original"].id, other["differs"]]).deep.equals([made.id, ["seller"]]);
  });

  it("in JSON the code of an older invoice or a fiscal bill stands beside its number, or in front of it", async () => {
    const numbered = (more: Record<string, unknown>) =>
      invoiceOf({ taxId: freshTaxId(), name: "店" }, { name: "个人" }, more);
    for (const [length, digits] of [
      [12, 8],
      [10, 8],
      [8, 10],
    ] as const) {
      const code = String(Math.floor(Math.random() * 10_000_000)).padStart(length, "04");
      const sourceId = "1".repeat(digits);
      const document = numbered({ code, sourceId });
      const made = await must(register(document, firm));
      expect([made.number, made.document.sourceId]).deep.equals(
        Array(2).fill(`${code}-${sourceId}`),
      );
      expect(made.document).not.to.have.property("code");
      const { seller } = document;
      const joined = { ...numbered({ sourceId: `${code}-${sourceId}` }), seller };
      expect(refused(await register(joined, rival), "already-claimed")["original"].id).equals(
        made.id,
      );
      const another = numbered({ code, sourceId: sourceId.slice(1) });
      refused(await register(another, firm), "invalid-document", {
        field: "/sourceId",
        rule: "number-beside-code",
      });
    }
    refused(
      await register(numbered({ code: "12345678901", sourceId: "1" }), firm),
      "invalid-document",
      {
        field: "/code",
        rule: "code-format",
      },
    );
  });

  it("says whether the check digits of the seller's id hold by the rules of its country", async () => {
    for (const [taxId, country, holds, isBroken] of [
      ["EL061828591", "GR", true, false],
      ["EL061828592", "GR", false, true],
      ["BE0123456749", "BE", true, false],
      ["BE0123456748", "BE", false, true],
      ["AQ123456", "AQ", false, false],
    ] as const) {
      const text = ubl({ number: `CD-${fresh()}`, taxId, country });
      const looked = await must(look(text, firm));
      const made = await must(register(text, firm));
      const seen = await get(`/v1/external-invoices/${made.id}`, firm);
      for (const { proven, notProven } of [made, seen]) {
        const check = "seller-check-digit";
        expect([proven.includes(check), notProven.includes(check)], taxId).deep.equals([
          holds,
          !holds,
        ]);
      }
      for (const { notes = [] } of [looked, made]) {
        const rules = notes.map(({ rule }: Loose) => rule);
        expect(rules.includes("tax-id-check-digit"), taxId).equals(isBroken);
      }
    }
  });

  it("a number of this network is refused in any spelling and format, with how to bring it here", async () => {
    const shop = await taxpayer("身份店", ["issuer"]);
    const number = await issued(shop, { name: "个人" }, { holder: firm.account });
    for (const written of [number, `No. ${number.slice(0, 5)}-${number.slice(5)}`]) {
      const bodies = [
        ubl({ number: written, taxId: "EL061828591" }),
        invoiceOf({ taxId: "DE123456789", name: "X" }, { name: "个人" }, { sourceId: written }),
      ];
      for (const body of bodies)
        for (const reply of [await register(body, rival), await look(body, rival)]) {
          const problem = refused(reply, "external-issued-here");
          expect(problem["original"]).deep.equals({
            number,
            href: `/v1/invoices/${number}`,
            import: "/v1/invoices/import",
          });
          expect(problem.detail).includes("POST /v1/invoices/import");
        }
    }
  });

  describe("a look without a claim", () => {
    it("says free, registered, used and conflict, and changes nothing", async () => {
      const number = nationalNumber();
      const seller = freshTaxId();
      const xml = shudian({ number, seller });
      const free = await look(xml, rival);
      expect([free.status, free.body]).deep.equals([
        200,
        { number, ids: free.body.ids, state: "free" },
      ]);
      refused(
        await call("GET", `/v1/external-invoices/${free.body.ids[0]}`, undefined, {
          token: rival.token,
        }),
        "not-found",
      );
      const made = await must(register(xml, firm));
      expect(made.id).equals(free.body.ids[0]);
      const own = await must(look(xml, firm));
      expect([own.state, own.original.claim]).deep.equals(["registered", made.claim.id]);
      const other = await must(look(xml, rival));
      expect([other.state, other.original]).deep.equals([
        "used",
        { id: made.id, state: "claimed", since: other.original.since },
      ]);
      await decide(made.claim.id, "reimburse", firm);
      expect((await must(look(xml, rival))).original.state).equals("reimbursed");
      const forged = shudian({ number, seller: freshTaxId() });
      const conflict = await must(look(forged, rival));
      expect([conflict.state, conflict.differs, conflict.original.claim]).deep.equals([
        "conflict",
        ["seller"],
        undefined,
      ]);
      // no event, no record
      for (const type of ["reimbursement.refused", "external.conflict"])
        expect(await events(made.id, type), type).deep.equals([]);
      const findings = (await get("/v1/external-findings?kind=conflict", bureau)).items;
      expect(findings.filter((item: Loose) => item.id === made.id)).deep.equals([]);
      expect(
        (await get("/v1/external-invoices", rival)).items.map((item: Loose) => item.id),
      ).not.includes(made.id);
      expect((await record(BigInt(made.id).toString())).version).equals(2);
    });

    it("refuses what a registration refuses, and every other word in the query", async () => {
      const other = await taxpayer("别的买方", ["employer"]);
      const titled = invoiceOf({ taxId: freshTaxId(), name: "店" }, other, {
        sourceId: nationalNumber(),
      });
      refused(await look(titled, firm), "titled-to-another");
      refused(await register(shudian(), firm, "?dryRun=yes"), "invalid-request");
      const shop = await taxpayer("只开票", ["issuer"]);
      refused(await look(shudian(), shop), "forbidden");
    });
  });
});
