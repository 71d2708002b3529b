/** External invoices in UBL over HTTP: EN 16931's rules and none of this network's own. */
import { createHash, randomInt } from "node:crypto";
import { expect } from "chai";
import { embedded, legal, preceding, type UblWish, ubl, vatId } from "../formats/european.ts";
import { call, must, type Reply, type TestParty, taxpayer } from "./network.ts";
import { refused } from "./observe.ts";

const fresh = () => `RE-${randomInt(1e12)}`;

describe("external invoices of EN 16931, over HTTP", () => {
  let firm: TestParty;
  let shop: TestParty;
  const send = (path: string, wish: UblWish, by: TestParty): Promise<Reply> =>
    call("POST", path, ubl({ id: fresh(), ...wish }), { token: by.token, type: "application/xml" });
  const register = (wish: UblWish) => send("/v1/external-invoices", wish, firm);

  const claimOf = (id: string) =>
    must(call("GET", `/v1/claims/${id}`, undefined, { token: firm.token }));

  before(async () => {
    [firm, shop] = await Promise.all([
      taxpayer("欧洲差旅公司", ["employer"]),
      taxpayer("欧元商店", ["issuer"]),
    ]);
  });

  it("are registered with a note where quantity and price make another amount", async () => {
    const seller = vatId("DE136695976") + legal("");
    const { notes, claim } = await must(register({ seller, quantity: "3" }));
    expect(notes).deep.equals([
      {
        field: "/Invoice/cac:InvoiceLine[1]/cbc:LineExtensionAmount",
        rule: "line-amount",
        detail: "3 × 100 makes 300.00, not 100.00",
      },
    ]);
    expect(claim.status).equals("claimed");
    expect((await must(register({ seller }))).notes).equals(undefined);
  });

  it("are not issued here by the same leniency", async () => {
    for (const [wish, rule] of [
      [{ quantity: "3" }, "line-amount"],
      [{ code: "384", references: preceding("A-1") }, "correction-in-invoice"],
      [{ code: "389" }, "self-billing"],
      [{ root: "CreditNote" }, "negative-needs-reverses"],
    ] as [UblWish, string][]) {
      const { errors } = refused(await send("/v1/invoices", wish, shop), "invalid-document") as {
        errors?: { rule: string }[];
      };
      expect(errors?.map((error) => error.rule)).deep.equals([rule]);
    }
  });

  it("come from sellers without a VAT id, in yen and in dinars", async () => {
    const seller = legal("<cbc:CompanyID>HRB 12345</cbc:CompanyID>");
    const outside = { category: "O", tax: "0.00", gross: "100.00", seller };
    const { document } = await must(register(outside));
    expect(document.seller).deep.includes({
      taxId: "DEHRB12345",
      identifiers: [{ id: "HRB 12345", registration: "legal" }],
    });
    const yen = await must(register({ currency: "JPY", net: "1000", tax: "190", gross: "1190" }));
    expect([yen.currency, yen.gross]).deep.equals(["JPY", "1190.00"]);
    const dinars = { currency: "KWD", net: "1.234", tax: "0.234", gross: "1.468" };
    const { claim } = await must(register(dinars));
    const { amounts } = await claimOf(claim.id);
    expect(amounts).deep.equals([{ currency: "KWD", gross: "1.468", payable: "1.468" }]);
  });

  it("are registered as what they are: self-billed, a correction; a credit note is recorded", async () => {
    const billed = await must(register({ code: "389" }));
    expect(billed.document.typeCode).equals("389");
    const original = fresh();
    const corrected = await must(register({ code: "384", references: preceding(original) }));
    expect(corrected.document).deep.includes({ typeCode: "384", preceding: [{ id: original }] });
    for (const wish of [{ root: "CreditNote" }, { code: "381" }] as UblWish[])
      expect((await must(register(wish))).amount).equals("119.00");
  });

  it("are claimed for what is to be paid, which stands beside the gross: prepaid, rounded, collected", async () => {
    const amount = (name: string, text: string) =>
      `<cbc:${name} currencyID="EUR">${text}</cbc:${name}>`;
    const cases: [UblWish, string, string][] = [
      [{ totals: amount("PrepaidAmount", "100.00"), payable: "19.00" }, "", "19.00"],
      [{ totals: amount("PayableRoundingAmount", "-0.04"), payable: "118.96" }, "", "118.96"],
      [{ totals: amount("PrepaidAmount", "119.00"), payable: "0.00" }, "", "0.00"],
      [{ totals: amount("PrepaidAmount", "150.00"), payable: "-31.00" }, "", "-31.00"],
      [{}, "?collected=32.50", "151.50"],
    ];
    for (const [wish, query, payable] of cases) {
      const made = await must(send(`/v1/external-invoices${query}`, wish, firm));
      expect([made.gross, made.payable, made.document.totals.payable]).deep.equals([
        "119.00",
        payable,
        payable,
      ]);
      expect((await claimOf(made.claim.id)).amounts).deep.equals([
        { currency: "EUR", gross: "119.00", payable },
      ]);
    }
    for (const [collected, rule] of [
      ["-1.00", "more-than-zero"],
      ["0.00", "more-than-zero"],
      ["1.000", "money-format"],
      ["1", "money-format"],
      ["9999999999999.99", "amount-bounds"],
    ] as const)
      for (const look of ["", "&dryRun=true"])
        refused(
          await send(`/v1/external-invoices?collected=${collected}${look}`, {}, firm),
          "invalid-request",
          { field: "?collected", rule },
        );
  });

  it("may carry seven megabytes of attachments, which are kept as they came; other routes take no more", async () => {
    const bytes = Buffer.alloc(7_000_000, "anlage ");
    const text = ubl({ id: fresh(), references: embedded(bytes.toString("base64")) });
    const post = (path: string, body: string, { token }: TestParty) =>
      call("POST", path, body, { token, type: "application/xml" });
    const { id, document } = await must(post("/v1/external-invoices", text, firm));
    expect(document.attachments).deep.equals([
      {
        id: "Z-1",
        filename: "z.pdf",
        mimeType: "application/pdf",
        bytes: "7000000",
        sha256: createHash("sha256").update(bytes).digest("hex"),
      },
    ]);
    const original = await call("GET", `/v1/external-invoices/${id}/original`, undefined, {
      token: firm.token,
    });
    expect(original.body === text, "the original is kept byte for byte").equals(true);
    refused(await post("/v1/invoices", text, shop), "body-too-large");
    const more = text.replace("</cbc:EmbeddedDocumentBinaryObject>", `${"A".repeat(4_000_000)}$&`);
    refused(await post("/v1/external-invoices", more, firm), "body-too-large");
  });
});
