/**
 * PDF, QR code and archive pack over HTTP: for an invoice's parties; only its issuer gets the
 * pickup's secret, while the invoice waits.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "@onepiao/protocol/formats/document.ts";
import { type QrContent, readQr } from "@onepiao/protocol/formats/qr.ts";
import { checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { expect } from "chai";
import { unzipSync } from "fflate";
import jsqr from "jsqr";
import { PNG } from "pngjs";
import { readPdf } from "../formats/pdf-reader.ts";
import { load, samplesRoot } from "../formats/samples.ts";
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
import { refused, untilStatus } from "./observe.ts";

type Got = { status: number; bytes: Buffer; headers: Headers };
const pdf = "application/pdf";
const zip = "application/zip";

async function get(path: string, accept: string, { token }: { token: string }): Promise<Got> {
  const { url } = await sandbox();
  const response = await fetch(url + path, {
    headers: { accept, authorization: `Bearer ${token}` },
  });
  return {
    status: response.status,
    bytes: Buffer.from(await response.arrayBuffer()),
    headers: response.headers,
  };
}
/** Refusals are JSON. */
const problemOf = ({ status, bytes, headers }: Got): Reply => ({
  status,
  body: JSON.parse(bytes.toString()),
  headers,
});

// the package's types declare a member `default`; at run time the import is the module
const decode = jsqr as unknown as typeof jsqr.default;
const scan = (png: Buffer): string => {
  const { data, width, height } = PNG.sync.read(png);
  return decode(new Uint8ClampedArray(data), width, height)?.data ?? "";
};

describe("papers over HTTP", () => {
  let shop: TestParty;
  let firm: TestParty;
  let stranger: TestParty;
  let ann: { account: string; token: string };
  let number: string;
  const textOf = async (invoice: string, by: { token: string }) =>
    (await readPdf((await get(`/v1/invoices/${invoice}`, pdf, by)).bytes)).pages.flat();
  const qrOf = async (
    invoice: string,
    by: { token: string },
  ): Promise<{ text: string; content: QrContent }> => {
    const text = scan((await get(`/v1/invoices/${invoice}/qr`, "image/png", by)).bytes);
    return { text, content: readQr(text) as QrContent };
  };

  before(async () => {
    [shop, firm, stranger] = await Promise.all([
      taxpayer("巷口面馆", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
      taxpayer("外人公司", ["issuer", "employer"]),
    ]);
    ann = await person(firm, "李晓明");
    number = await issued(shop, firm, { holder: ann.account, remark: "午餐 4人" });
  });

  describe("the PDF", () => {
    it("is the invoice for each of its parties, and contains its bundle, which proves it", async () => {
      for (const by of [shop, firm, ann]) {
        const got = await get(`/v1/invoices/${number}`, `${pdf}, application/json;q=0.5`, by);
        expect([
          got.status,
          got.headers.get("content-type"),
          got.headers.get("content-disposition"),
        ]).deep.equals([200, pdf, `inline; filename="${number}.pdf"`]);
        const { pages, attachments } = await readPdf(got.bytes);
        expect(pages[0]).includes.members([
          number,
          "午餐 4人",
          "¥200.00",
          "贰佰圆整",
          shop.taxId,
          firm.taxId,
        ]);
        expect(pages.flat().join("")).not.includes("未签章");
        const checked = checkBundle(JSON.parse(attachments.get("bundle.json") ?? ""));
        expect(checked.ok).equals(true);
        expect(checked.document).deep.equals(
          (await call("GET", `/v1/invoices/${number}`, undefined, { token: by.token })).body
            .document,
        );
      }
    });

    it("is refused to other parties, and each read is logged", async () => {
      refused(problemOf(await get(`/v1/invoices/${number}`, pdf, stranger)), "not-found");
      const { items } = (
        await call("GET", `/v1/invoices/${number}/reads`, undefined, { token: ann.token })
      ).body;
      expect(
        items.filter(({ form }: Loose) => form === "pdf").map(({ account }: Loose) => account),
      ).has.members([shop.account, firm.account, ann.account]);
    });

    it("of a red letter and of its original says so", async () => {
      const original = await issued(shop, firm);
      const lines = [
        {
          name: "*餐饮服务*餐费",
          unit: "次",
          quantity: "-1",
          unitPrice: "188.68",
          amount: "-188.68",
          taxRate: "0.06",
          tax: "-11.32",
        },
      ];
      const red = await issued(shop, firm, {
        lines,
        totals: { net: "-188.68", tax: "-11.32", gross: "-200.00" },
        reverses: { number: original },
      });
      await untilStatus(original, "reversed");
      expect(await textOf(original, shop)).includes("已红冲");
      expect(await textOf(red, shop)).includes.members([
        "红字发票",
        `被红冲蓝字发票号码：${original}`,
        "（负数）贰佰圆整",
        "¥-200.00",
      ]);
    });

    it("comes to each of many simultaneous callers, with the same bytes", async () => {
      const all = await Promise.all(
        Array.from({ length: 30 }, () => get(`/v1/invoices/${number}`, pdf, firm)),
      );
      expect(
        new Set(
          all.map(
            ({ status, bytes }) => `${status} ${createHash("sha256").update(bytes).digest("hex")}`,
          ),
        ).size,
      ).equals(1);
    });

    it("of a long sample has all its pages", async () => {
      const { body, mediaType } = load(samplesRoot, "shudian/08-office-forty-lines.xml");
      const xml = body
        .toString()
        .replace(/<SellerIdNum>\w+/, `<SellerIdNum>${shop.taxId}`)
        .replace(/<SellerName>[^<]*/, `<SellerName>${shop.name}`)
        .replace(/<BuyerIdNum>\w+/, `<BuyerIdNum>${firm.taxId}`)
        .replace(/<BuyerName>[^<]*/, `<BuyerName>${firm.name}`);
      const long = (
        await must(call("POST", "/v1/invoices", xml, { token: shop.token, type: mediaType }))
      ).number;
      const { pages } = await readPdf((await get(`/v1/invoices/${long}`, pdf, firm)).bytes);
      expect(pages.length).above(1);
      expect(pages.flat().filter((text) => text.startsWith("*文具*文件夹"))).length(40);
    });
  });

  describe("the QR code", () => {
    it("contains the text that is printed on the invoice, and leads to the gateway", async () => {
      const { url } = await sandbox();
      const { text, content } = await qrOf(number, ann);
      expect(text.startsWith(`${url}/verify#01,32,,`)).equals(true);
      expect(content).deep.equals({
        number,
        kind: "ordinary",
        gross: "200.00",
        date: "2026-11-03",
      });
    });

    it("is SVG unless the caller asks for PNG, and is refused to other parties", async () => {
      const got = await get(`/v1/invoices/${number}/qr`, "*/*", firm);
      expect([got.status, got.headers.get("content-type")]).deep.equals([200, "image/svg+xml"]);
      expect(got.bytes.toString()).match(/^<svg /);
      refused(
        problemOf(await get(`/v1/invoices/${number}/qr`, "image/png", stranger)),
        "not-found",
      );
      expect(
        refused(
          problemOf(await get(`/v1/invoices/${number}/qr`, "image/gif", firm)),
          "not-acceptable",
        )["available"],
      ).deep.equals(["image/svg+xml", "image/png"]);
    });

    it("contains the pickup's secret for the issuer only while the invoice waits", async () => {
      const { pickup } = await must(
        call("POST", "/v1/invoices", invoiceOf(shop, { name: "个人" }), { token: shop.token }),
      );
      const shown = (
        await call("GET", `/v1/invoices/${pickup.number}/pickup`, undefined, { token: shop.token })
      ).body;
      expect([shown.number, shown.secret]).deep.equals([pickup.number, pickup.secret]);
      const { text, content } = await qrOf(pickup.number, shop);
      expect(text).equals(shown.url);
      expect(content.pickup).equals(pickup.secret);
      expect(await textOf(pickup.number, shop)).includes("扫码取票、查验");
      // the bureau may read the invoice, and cannot pick it up
      const { bureau } = await sandbox();
      expect((await qrOf(pickup.number, bureau)).content.pickup).equals(undefined);
      expect(await textOf(pickup.number, bureau)).includes("扫码查验");

      await must(
        call(
          "POST",
          "/v1/pickups",
          { number: content.number, secret: content.pickup },
          { token: ann.token },
        ),
      );
      for (const by of [shop, ann]) {
        expect((await qrOf(pickup.number, by)).content.pickup).equals(undefined);
        expect(await textOf(pickup.number, by)).includes("扫码查验");
      }
    });
  });

  describe("the archive pack", () => {
    const unpacked = async (path: string, by: { token: string }): Promise<Map<string, Buffer>> => {
      const got = await get(path, zip, by);
      expect([got.status, got.headers.get("content-type")]).deep.equals([200, zip]);
      return new Map(
        Object.entries(unzipSync(got.bytes)).map(([name, bytes]) => [name, Buffer.from(bytes)]),
      );
    };
    const json = (files: Map<string, Buffer>, name: string): Loose =>
      JSON.parse((files.get(name) as Buffer).toString());

    it("has all that keeps an invoice verifiable, and a manifest that describes it", async () => {
      const files = await unpacked(`/v1/invoices/${number}/archive`, ann);
      const names = [
        "invoice.pdf",
        "invoice.shudian.xml",
        "invoice.ubl.xml",
        "invoice.cii.xml",
        "document.json",
        "bundle.json",
        "metadata.json",
      ].map((name) => `${number}/${name}`);
      expect([...files.keys()]).deep.equals([...names, "manifest.json"]);
      const manifest = json(files, "manifest.json");
      expect(manifest.files.map(({ name }: Loose) => name)).deep.equals(names);
      for (const { name, size, sha256 } of manifest.files) {
        const bytes = files.get(name) as Buffer;
        expect([bytes.length, createHash("sha256").update(bytes).digest("hex")]).deep.equals([
          size,
          sha256,
        ]);
      }
      const { document } = (
        await call("GET", `/v1/invoices/${number}`, undefined, { token: ann.token })
      ).body;
      expect((files.get(`${number}/document.json`) as Buffer).toString()).equals(
        canonicalJson(document),
      );
      expect(checkBundle(json(files, `${number}/bundle.json`)).ok).equals(true);
      const metadata = json(files, `${number}/metadata.json`);
      expect([metadata.number, metadata.status, metadata.holder, metadata.archivedBy]).deep.equals([
        number,
        "issued",
        ann.account,
        ann.account,
      ]);
      expect(metadata.history.map(({ type }: Loose) => type)).deep.equals(["invoice.issued"]);
      expect(metadata.history[0].tx).match(/^0x[0-9a-f]{64}$/);
      // only the employer sees the mark of book entry
      expect(metadata.entry).equals(undefined);
      expect(
        json(await unpacked(`/v1/invoices/${number}/archive`, firm), `${number}/metadata.json`)
          .entry,
      ).equals("01");
    });

    it("has the original of an invoice that came as XML, and not the pickup's secret", async () => {
      const xml = load(samplesRoot, "shudian/06-scenic-person.xml")
        .text.replace(/<SellerIdNum>\w+/, `<SellerIdNum>${shop.taxId}`)
        .replace(/<SellerName>[^<]*/, `<SellerName>${shop.name}`);
      const { pickup } = await must(
        call("POST", "/v1/invoices", xml, { token: shop.token, type: "application/xml" }),
      );
      const files = await unpacked(`/v1/invoices/${pickup.number}/archive`, shop);
      expect((files.get(`${pickup.number}/original.xml`) as Buffer).toString()).equals(xml);
      const { pages } = await readPdf(files.get(`${pickup.number}/invoice.pdf`) as Buffer);
      expect(pages[0]).includes("扫码查验");
      for (const bytes of files.values())
        expect(bytes.includes(pickup.secret.slice(2))).equals(false);
    });

    it("is for its parties only", async () => {
      refused(problemOf(await get(`/v1/invoices/${number}/archive`, zip, stranger)), "not-found");
      refused(
        problemOf(await get(`/v1/invoices/${number}/archive`, zip, (await sandbox()).bureau)),
        "forbidden",
      );
      refused(problemOf(await get(`/v1/invoices/${number}/archive`, pdf, ann)), "not-acceptable");
    });

    it("of a claim has each of its invoices, for its holder and its employer", async () => {
      const numbers = (
        await Promise.all(
          Array.from({ length: 5 }, () => issued(shop, firm, { holder: ann.account })),
        )
      ).sort();
      const { id } = await must(
        call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: numbers },
          { token: ann.token },
        ),
      );
      for (const by of [ann, firm]) {
        const files = await unpacked(`/v1/claims/${id}/archive`, by);
        expect([...new Set([...files.keys()].map((name) => name.split("/")[0]))]).deep.equals([
          ...numbers,
          "manifest.json",
        ]);
        expect(json(files, "manifest.json").files).length(35);
        expect(
          json(files, `${numbers[0]}/metadata.json`).history.map(({ type }: Loose) => type),
        ).deep.equals(["invoice.issued", "claim.created"]);
      }
      refused(problemOf(await get(`/v1/claims/${id}/archive`, zip, stranger)), "not-found");
      const { items } = (
        await call("GET", `/v1/invoices/${numbers[0]}/reads`, undefined, { token: ann.token })
      ).body;
      expect(items.filter(({ form }: Loose) => form === "archive")).length(2);
    });

    it("of a claim of an external invoice has its original and the unverified facts, in a folder without a number", async () => {
      const document = invoiceOf({ taxId: freshTaxId(), name: "网外店" }, firm, {
        sourceId: "../../26449000000000000001",
      });
      const { id, claim } = await must(
        call("POST", "/v1/external-invoices", document, { token: firm.token }),
      );
      const files = await unpacked(`/v1/claims/${claim.id}/archive`, firm);
      expect([...files.keys()]).deep.equals([
        `external-${id}/document.json`,
        `external-${id}/metadata.json`,
        "manifest.json",
      ]);
      const metadata = json(files, `external-${id}/metadata.json`);
      expect([metadata.number, metadata.claim.id]).deep.equals([
        "../../26449000000000000001",
        claim.id,
      ]);
      expect(metadata.notProven).includes("seller-signature");
      expect(metadata.history.map(({ type }: Loose) => type)).deep.equals(["claim.created"]);
    });
  });
});
