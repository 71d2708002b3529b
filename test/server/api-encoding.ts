/**
 * XML files in other encodings than UTF-8, over HTTP: an original goes from the wire to the store
 * and out again as the bytes that it came as.
 */
import { createHash } from "node:crypto";
import { expect } from "chai";
import { unzipSync } from "fflate";
import { declaring, inGb } from "../formats/gb18030.ts";
import { load, samplesRoot } from "../formats/samples.ts";
import {
  call,
  freshTaxId,
  type Loose,
  must,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused, traces, untilStatus } from "./observe.ts";

const sample = (name: string) => load(samplesRoot, `shudian/${name}`).text;
const [restaurant, office, red] = [
  sample("06-scenic-person.xml"),
  sample("04-office-discount.xml"),
  sample("09-red-letter-of-04.xml"),
];
const inside = (xml: string, tag: string) =>
  new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? "";
const utf16 = (xml: string) => Buffer.from(`\ufeff${declaring(xml, "UTF-16")}`, "utf16le");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let serial = Math.floor(Math.random() * 1_000_000);
/** A 数电票 of the national platform, to a person. */
function national(): string {
  serial += 1;
  return restaurant
    .replaceAll(inside(restaurant, "InvoiceNumber"), `26448${String(serial).padStart(15, "0")}`)
    .replaceAll(inside(restaurant, "SellerIdNum"), freshTaxId());
}

describe("XML in other encodings, over HTTP", () => {
  type By = { token: string };
  let shop: TestParty;
  let firm: TestParty;

  const post = (path: string, body: unknown, { token }: By, type = "application/xml") =>
    call("POST", path, body, { token, type });
  const bytesOf = async (path: string, { token }: By): Promise<[type: string, bytes: Buffer]> => {
    const { url } = await sandbox();
    const answer = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).equals(200);
    return [answer.headers.get("content-type") ?? "", Buffer.from(await answer.arrayBuffer())];
  };
  const kept = async (path: string, by: By, bytes: Buffer) => {
    const [type, original] = await bytesOf(`${path}/original`, by);
    expect(type).equals("application/octet-stream");
    expect(original.equals(bytes), "byte for byte").equals(true);
  };
  const filesOf = async (path: string, by: By) =>
    unzipSync(new Uint8Array((await bytesOf(`${path}/archive`, by))[1]));
  const made = async (reply: Promise<Reply>): Promise<Loose> => {
    const { status, body } = await reply;
    expect(status, JSON.stringify(body)).equals(201);
    return body;
  };
  /** A sample as the shop's own, titled to the firm. */
  const own = (xml: string) =>
    xml
      .replaceAll(inside(xml, "SellerIdNum"), shop.taxId)
      .replaceAll(inside(xml, "SellerName"), shop.name)
      .replaceAll(inside(xml, "BuyerIdNum"), firm.taxId)
      .replaceAll(inside(xml, "BuyerName"), firm.name);

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("編碼商店", ["issuer"]),
      taxpayer("編碼單位", ["employer"]),
    ]);
  });

  for (const [name, encode] of [
    ["GBK", inGb],
    ["UTF-16", utf16],
  ] as const)
    it(`an external invoice in ${name} is kept as it came, and is the same invoice in UTF-8`, async () => {
      const xml = national();
      const bytes = encode(xml);
      const { id, document, claim } = await made(post("/v1/external-invoices", bytes, firm));
      expect(document.source).deep.equals({ format: "shudian", sha256: sha256(bytes) });
      expect(document.seller.name).equals(inside(xml, "SellerName"));
      await kept(`/v1/external-invoices/${id}`, firm, bytes);
      const files = await filesOf(`/v1/claims/${claim.id}`, firm);
      expect(sha256(files[`external-${id}/original.xml`] as Uint8Array)).equals(sha256(bytes));
      const manifest = JSON.parse(Buffer.from(files["manifest.json"] ?? []).toString());
      expect(
        manifest.files.find(({ name: file }: Loose) => file.endsWith("/original.xml")).sha256,
      ).equals(sha256(bytes));
      const again = await post("/v1/external-invoices", xml, firm);
      expect(refused(again, "external-registered")["original"].claim).equals(claim.id);
      // neither is one of this network
      for (const body of [bytes, xml])
        expect((await must(post("/v1/verify", body, firm))).says.seller.name).equals(
          document.seller.name,
        );
    });

  it("an invoice that is issued from GBK is found by its bytes, verified in GBK, and packed as it came", async () => {
    const bytes = inGb(own(office));
    const { number } = await made(
      post("/v1/invoices", bytes, shop, "application/xml; charset=gb2312"),
    );
    await kept(`/v1/invoices/${number}`, shop, bytes);
    const listed = await must(
      call("GET", `/v1/invoices?documentHash=${sha256(bytes)}`, undefined, { token: shop.token }),
    );
    expect(listed.items.map((each: Loose) => each.number)).deep.equals([number]);
    const files = await filesOf(`/v1/invoices/${number}`, firm);
    expect(sha256(files[`${number}/original.xml`] as Uint8Array)).equals(sha256(bytes));
    const written = Buffer.from(files[`${number}/invoice.shudian.xml`] ?? []).toString();
    expect(
      (await must(post("/v1/verify", inGb(written), firm))).result,
      "what was written here, saved by other software",
    ).equals((await must(post("/v1/verify", written, firm))).result);
    const name = inside(written, "SellerName");
    expect(
      (await must(post("/v1/verify", inGb(written.replaceAll(name, `${name}的`)), firm))).result,
    ).equals("mismatch");

    // its red letter waits in a sheet, as bytes too
    const letter = inGb(own(red));
    const reversal = await made(post("/v1/invoices", letter, shop));
    await untilStatus(number, "reversed");
    await kept(`/v1/invoices/${reversal.number}`, shop, letter);
  });

  it("an invoice that replaces another one is kept as it came", async () => {
    const first = own(office).replaceAll("26112000000000700004", "26448000000000000077");
    const { number } = await made(post("/v1/invoices", inGb(first), shop));
    const bytes = utf16(own(office).replaceAll("26112000000000700004", "26448000000000000078"));
    const { replacement } = await made(post(`/v1/invoices/${number}/replace`, bytes, shop));
    await kept(`/v1/invoices/${replacement}`, shop, bytes);
  });

  it("what contradicts itself or has a wrong byte is refused with its reason, and leaves nothing", async () => {
    const xml = national();
    const gbk = inGb(xml);
    const before = await traces();
    for (const [body, type, code, rule, detail] of [
      [gbk, "application/xml; charset=utf-8", "malformed-request", "encoding-contradiction"],
      [xml, "text/xml; charset=GBK", "malformed-request", "encoding-contradiction"],
      [declaring(xml, "GBK"), "text/xml", "malformed-document", "encoding-contradiction"],
      [declaring(xml, "Big5"), "text/xml", "malformed-document", "encoding-not-read", "Big5"],
      [
        Buffer.concat([gbk, Buffer.of(0xff)]),
        "text/xml",
        "malformed-document",
        "encoding-not-gb18030",
        `offset ${gbk.length} are not a character of GB18030`,
      ],
      [
        Buffer.concat([Buffer.from(xml), Buffer.of(0xff)]),
        "text/xml",
        "malformed-document",
        "encoding-not-utf8",
        `offset ${Buffer.byteLength(xml)} are not a character of UTF-8`,
      ],
    ] as const)
      for (const path of ["/v1/external-invoices", "/v1/invoices", "/v1/verify"]) {
        const by = path === "/v1/invoices" ? shop : firm;
        const field = code === "malformed-request" ? "" : "/";
        const problem = refused(await post(path, body, by, type), code, { field, rule });
        expect(problem["detail"]).includes(detail ?? "");
      }
    for (const type of ["application/xml; charset=big5", "application/json; charset=gbk"])
      refused(await post("/v1/external-invoices", gbk, firm, type), "unsupported-media-type");
    expect(await traces()).deep.equals(before);
  });
});
