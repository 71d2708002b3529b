/** External invoices in CII over HTTP: the same invoice as in UBL, of the same identity. */
import { createHash, randomInt } from "node:crypto";
import { expect } from "chai";
import {
  attached,
  type CiiWish,
  cii,
  embedded,
  preceding,
  registered,
  tag,
  usualVatId,
} from "../formats/cross-industry.ts";
import { type UblWish, ubl } from "../formats/european.ts";
import {
  call,
  type Loose,
  must,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused } from "./observe.ts";

const fresh = () => `RE-${randomInt(1e12)}`;
const issued =
  "/rsm:CrossIndustryInvoice/rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString";

describe("external invoices in CII, over HTTP", () => {
  let firm: TestParty;
  let rival: TestParty;
  let shop: TestParty;
  const post = (path: string, text: string, by: TestParty): Promise<Reply> =>
    call("POST", path, text, { token: by.token, type: "application/xml" });
  const register = (wish: CiiWish, by = firm, query = "") =>
    post(`/v1/external-invoices${query}`, cii({ id: fresh(), ...wish }), by);
  const registerUbl = (wish: UblWish, by: TestParty) =>
    post("/v1/external-invoices", ubl({ id: fresh(), ...wish }), by);
  const show = async (text: string) => {
    const { url } = await sandbox();
    const response = await fetch(`${url}/v1/verify`, {
      method: "POST",
      headers: { "content-type": "application/xml" },
      body: text,
    });
    return { status: response.status, body: (await response.json()) as Loose };
  };

  before(async () => {
    [firm, rival, shop] = await Promise.all([
      taxpayer("欧洲差旅二公司", ["employer"]),
      taxpayer("欧洲差旅三公司", ["employer"]),
      taxpayer("欧元二店", ["issuer"]),
    ]);
  });

  it("are registered with what they say, kept as they came, and claimed for what is to be paid", async () => {
    const bytes = Buffer.alloc(300_000, "anlage ");
    const agreement = embedded(bytes.toString("base64")) + attached(tag("Name", "Zeiten"), "Z-2");
    const prepaid = { totals: tag("TotalPrepaidAmount", "100.00"), payable: "19.00" };
    const text = cii({ id: fresh(), agreement, ...prepaid });
    const made = await must(post("/v1/external-invoices", text, firm));
    expect(made).includes({ format: "cii", currency: "EUR", gross: "119.00", payable: "19.00" });
    expect(made.document.attachments).deep.equals([
      {
        id: "Z-1",
        filename: "z.pdf",
        mimeType: "application/pdf",
        bytes: "300000",
        sha256: createHash("sha256").update(bytes).digest("hex"),
      },
      { id: "Z-2", description: "Zeiten" },
    ]);
    const original = await call("GET", `/v1/external-invoices/${made.id}/original`, undefined, {
      token: firm.token,
    });
    expect(original.body === text, "byte for byte").equals(true);
  });

  it("are the same invoice as in UBL, whichever comes first: claimed once", async () => {
    const id = fresh();
    const first = await must(register({ id }));
    const second = await registerUbl({ id }, rival);
    expect(refused(second, "already-claimed")["original"].id).equals(first.id);
    expect(refused(await registerUbl({ id }, firm), "external-registered")["original"].id).equals(
      first.id,
    );
    const other = fresh();
    const inUbl = await must(registerUbl({ id: other }, firm));
    const look = await must(register({ id: other }, rival, "?dryRun=true"));
    expect([look.state, look.original.id]).deep.equals(["used", inUbl.id]);
    // by its tax number alone too, if the first document had both
    const both = fresh();
    const seller = registered("22/293/55512", "FC");
    const made = await must(register({ id: both, seller: seller + registered(usualVatId) }));
    refused(await register({ id: both, seller }, rival), "already-claimed");
    const own = refused(await register({ id: both, seller }), "external-registered");
    expect(own["original"].id).equals(made.id);
  });

  it("are registered as what they are; a correction or a self-billed one is not issued here so", async () => {
    const original = fresh();
    const corrected = await must(register({ code: "384", preceding: preceding(original) }));
    expect(corrected.document).deep.includes({ typeCode: "384", preceding: [{ id: original }] });
    expect((await must(register({ code: "389" }))).document.typeCode).equals("389");
    for (const [wish, rule] of [
      [{ code: "384", preceding: preceding("A-1") }, "correction-in-invoice"],
      [{ code: "389" }, "self-billing"],
      [{ quantity: "3" }, "line-amount"],
    ] as const) {
      const reply = await post("/v1/invoices", cii({ id: fresh(), ...wish }), shop);
      expect(
        refused(reply, "invalid-document").errors?.map((each: Loose) => each["rule"]),
      ).deep.equals([rule]);
    }
  });

  it("as credit notes reduce the claim of the invoice that they name, in whichever syntax it came", async () => {
    for (const original of [
      (id: string) => register({ id }),
      (id: string) => registerUbl({ id }, firm),
    ]) {
      const id = fresh();
      const { claim } = await must(original(id));
      const half = { net: "50.00", tax: "9.50", gross: "59.50" };
      const made = await must(register({ code: "381", preceding: preceding(id), ...half }));
      expect(made).deep.includes({ format: "cii", amount: "59.50" });
      const { amounts } = await must(
        call("GET", `/v1/claims/${claim.id}`, undefined, { token: firm.token }),
      );
      expect(amounts).deep.equals([{ currency: "EUR", gross: "59.50", payable: "59.50" }]);
    }
  });

  it("are refused by rule and element of their format, and nothing remains", async () => {
    const id = fresh();
    for (const [wish, field, rule] of [
      [{ date: "3.11.2026" }, issued, "time-format"],
      [{ format: "203", date: "202611031030" }, issued, "time-format"],
      [
        { gross: "119.01", payable: "119.01" },
        "/rsm:CrossIndustryInvoice/rsm:SupplyChainTradeTransaction/ram:ApplicableHeaderTradeSettlement/ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:GrandTotalAmount",
        "BR-CO-15",
      ],
    ] as const)
      refused(await register({ id, ...wish }), "invalid-document", { field, rule });
    expect((await must(register({ id }, rival, "?dryRun=true"))).state).equals("free");
  });

  it("verified by anybody are not-found, with what they say; a decoy is refused", async () => {
    const id = fresh();
    const { status, body } = await show(cii({ id }));
    expect([status, body.result]).deep.equals([200, "not-found"]);
    expect(body.says).deep.equals({
      format: "cii",
      number: id,
      seller: { taxId: usualVatId, name: "Muster GmbH" },
      date: "2026-11-03",
      currency: "EUR",
      total: "119.00",
    });
    // a number of this network in a file that no gateway has written
    const alien = attached(tag("ReferenceTypeCode", "ZZZ"), "26990000000000000017", "130");
    expect((await show(cii({ id, agreement: alien }))).body).includes({
      result: "not-found",
      number: "26990000000000000017",
    });
    for (const [text, rule, code] of [
      [cii({ id }).replaceAll("Invoice:100", "Invoice:1p0"), "unknown-root", 422],
      [cii({ id: "&xxe;" }), "entity-forbidden", 400],
      [`<!DOCTYPE x [<!ENTITY a "b">]>${cii({ id })}`, "dtd-forbidden", 400],
      [cii({ id, product: "<ram:Origin/>" }), "unknown-element", 422],
    ] as const) {
      const { status, body } = await show(text);
      expect([status, body.errors?.[0]?.rule], rule).deep.equals([code, rule]);
    }
  });
});
