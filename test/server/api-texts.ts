/**
 * Over HTTP: a text with invisible characters is refused by field and kind, in every request, and
 * leaves nothing behind.
 */
import { readFileSync } from "node:fs";
import { expect } from "chai";
import {
  call,
  freshTaxId,
  invoiceOf,
  issued,
  must,
  person,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused } from "./observe.ts";

const signs: [sign: string, rule: string][] = [
  ["\x1b]0;evil\x07", "text-control"],
  ["\u202e001元", "text-bidi"],
  ["餐\u200b费", "text-zero-width"],
  ["x\u{e0041}", "text-tag"],
  ["\ue000", "text-private-use"],
  ["a\u2028b", "text-line-separator"],
];

describe("texts over HTTP", () => {
  let shop: TestParty;
  let employer: TestParty;
  let worker: { account: string; token: string };
  before(async () => {
    [shop, employer] = await Promise.all([
      taxpayer("文字餐厅", ["issuer"]),
      taxpayer("文字雇主", ["employer"]),
    ]);
    worker = await person(employer, "钱二");
  });

  const broken = "invalid-request";
  for (const [sign, rule] of signs) {
    it(`${rule} is refused in notes, reasons, vouchers, names and descriptions`, async () => {
      const number = await issued(shop, employer, { holder: worker.account });
      const as = (token: string) => ({ token });
      refused(
        await call(
          "POST",
          "/v1/claims",
          { employer: employer.taxId, invoices: [number], note: sign },
          as(worker.token),
        ),
        broken,
        {
          field: "/note",
          rule,
        },
      );
      const { id } = await must(
        call(
          "POST",
          "/v1/claims",
          { employer: employer.taxId, invoices: [number], note: "午餐\n四人" },
          as(worker.token),
        ),
      );
      refused(
        await call("POST", `/v1/claims/${id}/reject`, { reason: sign }, as(employer.token)),
        broken,
        { field: "/reason", rule },
      );
      refused(
        await call(
          "POST",
          "/v1/entries",
          { mark: "02", invoices: [number], voucher: sign },
          as(employer.token),
        ),
        broken,
        { field: "/voucher", rule },
      );
      refused(await call("POST", "/v1/persons", { name: sign }, as(employer.token)), broken, {
        field: "/name",
        rule,
      });
      refused(
        await call("POST", "/v1/taxpayers", {
          name: sign,
          taxId: freshTaxId(),
          capabilities: ["issuer"],
        }),
        broken,
        { field: "/name", rule },
      );
      refused(
        await call(
          "POST",
          "/v1/webhooks",
          { url: "https://pos.example.com/", description: sign },
          as(shop.token),
        ),
        broken,
        {
          field: "/description",
          rule,
        },
      );
      const claim = await must(call("GET", `/v1/claims/${id}`, undefined, as(worker.token)));
      expect([claim.status, claim.note]).deep.equals(["claimed", "午餐\n四人"]);
    });

    it(`${rule} is refused in names, lines and remarks of documents, in JSON and XML alike`, async () => {
      const plain = invoiceOf(shop, employer);
      const [line] = plain.lines;
      for (const [field, body] of [
        ["/remark", { ...plain, remark: sign }],
        ["/buyer/name", { ...plain, buyer: { ...plain.buyer, name: sign } }],
        ["/lines/0/name", { ...plain, lines: [{ ...line, name: sign }] }],
      ] as const)
        refused(
          await call("POST", "/v1/invoices", body, { token: shop.token }),
          "invalid-document",
          { field, rule },
        );
      // XML cannot contain most controls at all
      if (rule === "text-control") return;
      const xml = readFileSync(
        new URL("../../samples/shudian/01-restaurant-ordinary.xml", import.meta.url),
        "utf8",
      ).replace(/<SellerName>[^<]*/, `<SellerName>${sign}`);
      refused(
        await call("POST", "/v1/invoices", xml, { token: shop.token, type: "application/xml" }),
        "invalid-document",
        {
          field: "/EInvoice/EInvoiceData/SellerInformation/SellerName",
          rule,
        },
      );
    });
  }
});
