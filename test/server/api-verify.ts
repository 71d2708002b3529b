/**
 * Verification over HTTP: each verdict is distinct, by print, bundle, PDF, XML and QR code; the
 * answer reveals only facts that the request contains.
 */

import { writtenTypes } from "@onepiao/protocol/formats/formats.ts";
import { readQr } from "@onepiao/protocol/formats/qr.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { checkIssued } from "@onepiao/protocol/formats/rules.ts";
import { writeAll } from "@onepiao/protocol/formats/write.ts";
import { type Bundle, checkBundle } from "@onepiao/protocol/proofs/bundle.ts";
import { decodeProof, encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { expect } from "chai";
import fc from "fast-check";
import jsqr from "jsqr";
import { PNG } from "pngjs";
import { createContracts } from "../../server/chain/contracts.ts";
import { createDocuments } from "../../server/features/invoices/documents.ts";
import { createEncryptionKeys } from "../../server/features/parties/encryption.ts";
import { createChecks } from "../../server/features/proof/checker.ts";
import {
  createVerification,
  MAX_MISSES,
  stranger,
} from "../../server/features/proof/verification.ts";
import { openVault } from "../../server/keys/vault.ts";
import { good } from "../formats/samples.ts";
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
import { chain, database, refused, untilStatus } from "./observe.ts";
import { whileNothingIsSealed } from "./support/holding.ts";

// a CommonJS module
const decode = jsqr as unknown as typeof jsqr.default;
/** The facts that an invoice of `invoiceOf` shows in print. */
const printed = { date: "2026-11-03", total: "200.00" };
const ask = (query: Record<string, string>): Promise<Reply> =>
  call("GET", `/v1/verify?${new URLSearchParams(query)}`, undefined, { token: "" });
const show = (type: string, body: unknown): Promise<Reply> =>
  call("POST", "/v1/verify", body, { token: "", type });
const outcome = (reply: Reply, step: string): string | undefined =>
  reply.body.steps.find((item: Loose) => item.step === step)?.outcome;

describe("verification", () => {
  let shop: TestParty;
  let firm: TestParty;
  let ann: { account: string; token: string };
  let number: string;
  const bundleOf = (invoice: string, query = ""): Promise<Bundle> =>
    must(
      call("GET", `/v1/invoices/${invoice}/bundle${query}`, undefined, { token: shop.token }),
    ) as Promise<Bundle>;
  /** Raw bytes: `call` reads text. */
  async function fetched(
    path: string,
    accept: string,
    token = shop.token,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const response = await fetch((await sandbox()).url + path, {
      headers: { authorization: `Bearer ${token}`, accept },
    });
    expect(response.status, path).equals(200);
    return new Uint8Array(await response.arrayBuffer());
  }
  async function showBytes(type: string, body: Uint8Array<ArrayBuffer>): Promise<Reply> {
    const response = await fetch(`${(await sandbox()).url}/v1/verify`, {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    return { status: response.status, body: await response.json(), headers: response.headers };
  }
  const reverse = (invoice: string, body: unknown = { reason: 2, whole: true }): Promise<Loose> =>
    must(call("POST", `/v1/invoices/${invoice}/red-letters`, body, { token: shop.token }));

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
    ]);
    ann = await person(firm, "李晓明");
    number = await issued(shop, firm, { holder: ann.account, remark: "午餐 4人" });
  });

  describe("by the printed facts", () => {
    it("number, date and total: it is valid, with its state and no other content", async () => {
      const reply = await ask({ number, ...printed });
      expect(reply.status).equals(200);
      expect(reply.body).include({ result: "valid", state: "issued", number });
      expect(reply.body.asOf.block).greaterThan(0);
      const text = JSON.stringify(reply.body);
      for (const hidden of ["茶餐厅", "精密制造", "餐费", "午餐", shop.taxId, ann.account])
        expect(text).not.includes(hidden);
      expect(reply.body.notProven.map((item: Loose) => item.code)).includes("hidden");
    });

    it("in people's notation: without dashes, in cents, with the currency's sign", async () => {
      expect((await ask({ number, date: "20261103", total: "¥200" })).body.result).equals("valid");
    });

    it("another date, another total, both: the same answer, byte for byte", async () => {
      const fresh = await issued(shop, firm, { holder: ann.account });
      const wrong = [
        { date: "2026-11-04", total: "200.00" },
        { date: "2026-11-03", total: "200.01" },
        { date: "2025-01-01", total: "1.00" },
      ];
      const replies = await Promise.all(wrong.map((query) => ask({ number: fresh, ...query })));
      for (const { status, body } of replies)
        expect([status, body.result, body.state]).deep.equals([200, "mismatch", undefined]);
      const bodies = replies.map(({ body }) => JSON.stringify({ ...body, asOf: undefined }));
      expect(new Set(bodies).size).equals(1);
    });

    it("an unknown number is not found", async () => {
      expect((await ask({ number: "99999999999999999999", ...printed })).body.result).equals(
        "not-found",
      );
    });

    it("a bad format names its field", async () => {
      refused(await ask({ number: "123", ...printed }), "invalid-request", {
        field: "?number",
        rule: "format",
      });
      refused(await ask({ number, date: "2026-02-30", total: "1.00" }), "invalid-request", {
        field: "?date",
        rule: "custom",
      });
      refused(await ask({ number, date: "yesterday", total: "1.00" }), "invalid-request", {
        field: "?date",
        rule: "format",
      });
      for (const total of ["much", "1.234", "1,2,3", "-", "99999999999999"])
        refused(await ask({ number, ...printed, total }), "invalid-request", {
          field: "?total",
          rule: "format",
        });
      refused(await ask({ number, date: printed.date }), "invalid-request", {
        field: "?total",
        rule: "required",
      });
    });

    it("claimed, reimbursed, reversed and partly reversed are distinct", async () => {
      const [used, taken] = await Promise.all([
        issued(shop, firm, { holder: ann.account }),
        issued(shop, firm, { holder: ann.account }),
      ]);
      const claim = await must(
        call(
          "POST",
          "/v1/claims",
          { invoices: [used], employer: firm.taxId },
          { token: ann.token },
        ),
      );
      expect((await ask({ number: used, ...printed })).body).include({
        result: "valid",
        state: "claimed",
      });
      await must(call("POST", `/v1/claims/${claim.id}/reimburse`, {}, { token: firm.token }));
      expect((await ask({ number: used, ...printed })).body).include({
        result: "valid",
        state: "reimbursed",
      });
      await reverse(taken);
      expect((await ask({ number: taken, ...printed })).body).include({
        result: "reversed",
        state: "reversed",
      });
      // without date and total the answer does not reveal a reversal
      expect((await ask({ number: taken, ...printed, total: "1.00" })).body.result).equals(
        "mismatch",
      );
      const part = await reverse(await issued(shop, firm, { holder: ann.account }), {
        reason: 4,
        lines: [{ line: 1, amount: "100.00" }],
      });
      expect((await ask({ number: part.invoice, ...printed })).body).include({
        result: "adjusted",
        state: "issued",
      });
      // the red letter is an invoice too, with a negative total
      const { document } = await must(
        call("GET", `/v1/invoices/${part.number}`, undefined, { token: shop.token }),
      );
      expect(
        (await ask({ number: part.number, date: document.issuedAt.slice(0, 10), total: "-106.00" }))
          .body,
      ).include({ result: "valid", state: "issued" });
    });

    it("sealed on the chain, with its document at another gateway: the answer says so", async () => {
      const sql = await database();
      const first = "99442999999999999000";
      await sql`insert into lots (first, issuer, segment, count, time, root, block) values (${first}, ${shop.index}, ${first}, 3, 1, ${`0x${"00".repeat(32)}`}, 1)`;
      for (const [offset, result] of [
        [0, "elsewhere"],
        [2, "elsewhere"],
        [3, "not-found"],
      ] as const)
        expect(
          (await ask({ number: String(BigInt(first) + BigInt(offset)), ...printed })).body.result,
          String(offset),
        ).equals(result);
      await sql`delete from lots where first = ${first}`;
    });

    it("a number with too many guesses is closed, for right guesses as well, and other numbers are open", async () => {
      const [guessed, other] = await Promise.all([
        issued(shop, firm, { holder: ann.account }),
        issued(shop, firm, { holder: ann.account }),
      ]);
      for (let i = 0; i < 2 * MAX_MISSES; i++)
        expect((await ask({ number: guessed, ...printed })).status).equals(200);
      const replies = await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          ask({ number: guessed, ...printed, total: `${i}.00` }),
        ),
      );
      expect(replies.filter(({ status }) => status === 200).length).equals(MAX_MISSES);
      const last = await ask({ number: guessed, ...printed });
      refused(last, "rate-limited");
      const seconds = Number(last.headers.get("retry-after"));
      expect(seconds).greaterThan(0).and.at.most(900);
      expect((await ask({ number: other, ...printed })).body.result).equals("valid");
      // a request that is not a guess is not refused
      expect((await show("application/json", await bundleOf(guessed))).body.result).equals("valid");
    });

    it("every answer takes one query and one decryption", async () => {
      const { deployment, config } = await sandbox();
      const sql = await database();
      const vault = await openVault(sql, config.MASTER_KEY);
      const documents = createDocuments({
        vault,
        keys: createEncryptionKeys({ vault }),
        deployment,
      });
      let opened = 0;
      const counting = {
        seal: documents.seal,
        open: (...args: Parameters<typeof documents.open>) => {
          opened += 1;
          return documents.open(...args);
        },
      };
      // the comparison with the print needs no worker: none starts
      const unused = createChecks();
      const verification = createVerification({
        sql,
        checks: unused,
        documents: counting,
        contracts: createContracts(deployment),
        chain: await chain(),
        finalityDepth: 0,
      });
      let queries = 0;
      const watched = ((...args: Parameters<typeof sql>) => {
        queries += 1;
        return sql(...args);
      }) as typeof sql;
      for (const [result, query] of [
        ["valid", { number, ...printed }],
        ["mismatch", { number, ...printed, date: "2026-11-04" }],
        ["mismatch", { number, ...printed, total: "1.00" }],
        ["not-found", { number: "99999999999999999999", ...printed }],
      ] as const) {
        [opened, queries] = [0, 0];
        expect((await verification.byPrint(watched, query)).result).equals(result);
        expect([opened, queries], result).deep.equals([1, 1]);
      }
    });
  });

  describe("by a bundle", () => {
    it("a whole one: valid, every step ok", async () => {
      const reply = await show("application/json", await bundleOf(number));
      expect(reply.body).include({ result: "valid", state: "issued", number });
      for (const step of [
        "parts",
        "content",
        "path",
        "seal",
        "parties",
        "document",
        "network",
        "issuer",
        "identity",
        "lot",
        "record",
      ])
        expect(outcome(reply, step), step).equals("ok");
      expect(reply.body.proven.map((item: Loose) => item.code)).deep.equals([
        "content",
        "issuer",
        "identity",
        "chain",
        "state",
      ]);
      expect(reply.body.notProven.map((item: Loose) => item.code)).deep.equals(["bearer", "truth"]);
    });

    it("a partial one: valid, and the answer lists the hidden parts", async () => {
      const reply = await show("application/json", await bundleOf(number, "?disclose=total"));
      expect(reply.body).include({ result: "valid" });
      expect(outcome(reply, "identity")).equals("not-checked");
      expect(reply.body.shown).deep.equals({ total: "200.00" });
      expect(reply.body.notProven.map((item: Loose) => item.code)).includes("hidden");
    });

    it("each alteration is found, by step and with one code", async () => {
      const bundle = await bundleOf(number);
      const cases: [string, string, (b: Loose) => void][] = [
        ["altered", "parts", (b) => Object.assign(b.parts.total, { value: "2.00" })],
        ["altered", "parts", (b) => Object.assign(b.parts.date, { salt: `0x${"00".repeat(16)}` })],
        ["altered", "content", (b) => Object.assign(b.leaf, { content: `0x${"ab".repeat(32)}` })],
        ["altered", "path", (b) => Object.assign(b.leaf, { holder: firm.account })],
        ["altered", "path", (b) => Object.assign(b.lot, { root: `0x${"ab".repeat(32)}` })],
        [
          "altered",
          "path",
          (b) => Object.assign(b, { number: (BigInt(b.number) + 5000n).toString() }),
        ],
        ["contradictory", "parties", (b) => Object.assign(b.parties[0], { taxId: firm.taxId })],
        ["contradictory", "parties", (b) => Object.assign(b.parties[0], { name: "另一家" })],
        [
          "not-the-issuers",
          "issuer",
          (b) => Object.assign(b.lot, { segment: "26442000000000000000" }),
        ],
        [
          "not-the-issuers",
          "issuer",
          (b) => Object.assign(b, { lot: { ...b.lot, issuer: 999 }, parties: [] }),
        ],
        [
          "not-the-issuers",
          "identity",
          (b) => Object.assign(b.parties[0], { salt: "ab".repeat(32) }),
        ],
        [
          "not-the-issuers",
          "identity",
          (b) => Object.assign(b.parties[0], { account: firm.account }),
        ],
        ["not-on-chain", "lot", (b) => Object.assign(b.lot, { time: b.lot.time + 1 })],
        ["other-network", "network", (b) => Object.assign(b.network, { name: "another" })],
        ["other-network", "network", (b) => Object.assign(b.network, { chainId: 5 })],
        ["other-network", "network", (b) => Object.assign(b.network, { ledger: firm.account })],
      ];
      for (const [result, step, change] of cases) {
        const other = structuredClone(bundle);
        change(other);
        const reply = await show("application/json", other);
        expect([reply.status, reply.body.result], `${result} ${step}`).deep.equals([200, result]);
        expect(outcome(reply, step), `${result} ${step}`).equals("failed");
        expect(reply.body.state, step).equals(undefined);
      }
    });

    it("of an issuer whose key was rotated since: by its previous key", async () => {
      const mill = await taxpayer("磨坊", ["issuer"]);
      const old = await issued(mill, firm, { holder: ann.account });
      const rotate = () =>
        must(
          call("POST", `/v1/taxpayers/${mill.taxId}/key-rotations`, {
            key: { custody: "gateway" },
          }),
        );
      const take = (invoice: string) =>
        must(call("GET", `/v1/invoices/${invoice}/bundle`, undefined, { token: mill.token }));
      const bundle = await take(old);
      for (let i = 0; i < 2; i++) await rotate();
      const between = await take(await issued(mill, firm, { holder: ann.account }));
      await rotate();
      const now = await take(await issued(mill, firm, { holder: ann.account }));
      for (const [document, words] of [
        [bundle, "before"],
        [between, "before"],
        [now, "present"],
      ] as const) {
        const reply = await show("application/json", document);
        expect(reply.body.result).equals("valid");
        expect(reply.body.steps.find((step: Loose) => step.step === "issuer").detail).includes(
          words,
        );
      }
    });

    it("of a reversed or a partly reversed invoice the answer says so", async () => {
      const invoice = await issued(shop, firm, { holder: ann.account });
      const part = await reverse(invoice, { reason: 4, lines: [{ line: 1, amount: "1.00" }] });
      expect((await show("application/json", await bundleOf(invoice))).body).include({
        result: "adjusted",
        state: "issued",
      });
      expect((await show("application/json", await bundleOf(part.number))).body).include({
        result: "valid",
        state: "issued",
      });
      await reverse(invoice);
      expect((await show("application/json", await bundleOf(invoice))).body).include({
        result: "reversed",
        state: "reversed",
      });
    });

    it("a value that is not a bundle is refused with its field; random input causes no error", async () => {
      refused(await show("application/json", { format: "onepiao-bundle/1" }), "invalid-request", {
        field: "/network",
        rule: "required",
      });
      refused(await show("application/json", "{"), "malformed-request");
      refused(await show("image/png", "x"), "unsupported-media-type");
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom("application/json", "application/pdf", "application/xml", "text/plain"),
          fc.string({ maxLength: 300 }),
          async (type, text) => {
            const { status } = await show(
              type,
              type === "application/pdf"
                ? `%PDF-1.7\n1 0 obj<</Type /EmbeddedFile>>stream\n${text}`
                : text || " ",
            );
            expect(status).within(400, 422);
          },
        ),
        { numRuns: 60 },
      );
    });
  });

  describe("by PDF and XML", () => {
    it("a PDF of ours, by the bundle in it; the content of its pages stays unproven", async () => {
      const reply = await showBytes(
        "application/pdf",
        await fetched(`/v1/invoices/${number}`, "application/pdf"),
      );
      expect(reply.body).include({ result: "valid", number });
      expect(reply.body.notProven[0].code).equals("pages");
      expect(reply.body.shown.total).equals("200.00");
    });

    it("another PDF, and one whose attachment unpacks endlessly, are refused at once", async () => {
      const { deflateSync } = await import("node:zlib");
      const pdf = (stream: Uint8Array, dictionary = "/Filter /FlateDecode") =>
        new Uint8Array(
          Buffer.concat([
            Buffer.from(`%PDF-1.7\n1 0 obj\n<</Type /EmbeddedFile ${dictionary}>>\nstream\n`),
            stream,
            Buffer.from("\nendstream\nendobj\n"),
          ]),
        );
      const bomb = deflateSync(Buffer.alloc(200_000_000), { level: 9 });
      for (const [rule, body] of [
        ["no-bundle", pdf(bomb)],
        ["no-bundle", pdf(Buffer.from("{}"), "/Length 2")],
        ["no-bundle", pdf(Buffer.from("x"), "/Filter [/ASCIIHexDecode /FlateDecode]")],
        ["not-pdf", new Uint8Array(100)],
        [
          "too-many-attachments",
          new Uint8Array(Buffer.from(`%PDF-1.7 ${"/EmbeddedFile ".repeat(60_000)}`)),
        ],
      ] as const) {
        const before = process.cpuUsage();
        refused(await showBytes("application/pdf", body), "malformed-document", {
          field: "",
          rule,
        });
        // the time includes all other work of this process meanwhile
        expect(process.cpuUsage(before).user / 1_000, `${rule}, milliseconds of CPU`).below(2_000);
      }
      const json = Buffer.from(JSON.stringify(await bundleOf(number)));
      expect(
        (await showBytes("application/pdf", pdf(json, `/Length ${json.length}`))).body.result,
      ).equals("valid");
      const broken = Buffer.from(json);
      broken[broken.indexOf('"name":"') + 8] = 0xff;
      refused(
        await showBytes("application/pdf", pdf(broken, `/Length ${broken.length}`)),
        "malformed-document",
        { field: "", rule: "encoding-not-utf8" },
      );
      const two = Buffer.concat([
        pdf(deflateSync(json)),
        pdf(deflateSync(Buffer.from(JSON.stringify(await bundleOf(number, "?disclose=total"))))),
      ]);
      refused(await showBytes("application/pdf", new Uint8Array(two)), "malformed-document", {
        field: "",
        rule: "several-bundles",
      });
    });

    for (const type of writtenTypes) {
      it(`${type} of ours is compared whole with this gateway's document`, async () => {
        const text = Buffer.from(await fetched(`/v1/invoices/${number}`, type)).toString();
        expect((await show("application/xml", text)).body).include({
          result: "valid",
          state: "issued",
          number,
        });
        expect(text).includes("午餐");
        const other = await show("application/xml", text.replaceAll("午餐", "晚餐"));
        expect(other.body).include({ result: "mismatch" });
        expect(JSON.stringify(other.body)).not.includes("餐费");
      });
    }

    for (const type of writtenTypes)
      it(`${type} of an invoice that is not here is not-found, not a fault of the file`, async () => {
        const text = Buffer.from(await fetched(`/v1/invoices/${number}`, type)).toString();
        const absent = "26990000000000000017";
        const { status, body } = await show("application/xml", text.replaceAll(number, absent));
        expect([status, body.result, body.number], JSON.stringify(body)).deep.equals([
          200,
          "not-found",
          absent,
        ]);
      });

    it("a 数电票 of the national platform is not-found", async () => {
      for (const { text } of good("shudian")) {
        const { status, body } = await show("application/xml", text);
        expect([status, body.result], JSON.stringify(body)).deep.equals([200, "not-found"]);
        expect(body.says.format).equals("shudian");
        for (const value of [body.says.number, body.says.seller.name, body.says.date])
          expect(text).includes(value);
      }
    });

    it("what stands in for a missing document can be written and read in every format", () => {
      expect(checkIssued(stranger, "rounded")).deep.equals([]);
      const written = writeAll(stranger, { number });
      expect(written.map(({ mediaType }) => mediaType)).deep.equals(writtenTypes);
      for (const { mediaType, text } of written)
        expect(readInvoice(mediaType, Buffer.from(text)).document.totals.gross).equals(
          stranger.totals.gross,
        );
    });

    for (const [format, reference] of [
      ["ubl", "cac:AdditionalDocumentReference"],
      ["cii", "ram:AdditionalReferencedDocument"],
    ] as const)
      it(`${format} without a gateway's number is not-found, with what it says of itself`, async () => {
        const text = Buffer.from(
          await fetched(`/v1/invoices/${number}`, `application/vnd.onepiao.${format}+xml`),
        )
          .toString()
          .replace(new RegExp(`<${reference}>.*?</${reference}>`, "s"), "")
          .replaceAll(number, "RE-2026-7");
        const { status, body } = await show("application/xml", text);
        expect([status, body.result], JSON.stringify(body)).deep.equals([200, "not-found"]);
        expect(body).not.to.have.property("number");
        expect(body.says).deep.equals({
          format,
          number: "RE-2026-7",
          seller: { taxId: shop.taxId, name: shop.name },
          date: printed.date,
          currency: "CNY",
          total: printed.total,
        });
      });
  });

  describe("an invoice that was issued elsewhere", () => {
    const tax = "https://inv-veri.chinatax.gov.cn/";
    const bills = "https://pjcy.mof.gov.cn/";
    const register = (body: unknown) =>
      must(
        call("POST", "/v1/external-invoices", body, {
          token: firm.token,
          ...(typeof body === "string" ? { type: "application/xml" } : {}),
        }),
      );
    const reject = (claim: string) =>
      must(call("POST", `/v1/claims/${claim}/reject`, { reason: "x" }, { token: firm.token }));
    /** The answer, with nothing in it of who has registered it or for how much. */
    const verified = async (type: string, body: string): Promise<Loose> => {
      const reply = await show(type, body);
      const text = JSON.stringify(reply.body);
      expect([reply.status, reply.body.result, reply.body.state], text).deep.equals([
        200,
        "not-found",
        undefined,
      ]);
      for (const hidden of [firm.taxId, firm.name, firm.account, "claim"])
        expect(text).not.includes(hidden);
      return reply.body;
    };
    const serial = String(Math.floor(Math.random() * 1e8)).padStart(8, "0");
    const nationalNumber = `265390000299${serial}`;
    const national = () =>
      good("shudian")
        .map(({ text }) => text)
        .find((text) => text.includes("个人（李晓明）"))
        ?.replaceAll("26532000000000700006", nationalNumber)
        .replaceAll("91530102MARJT2FQ8E", "91530100MA7DEMX01J") as string;

    it("by its file: registered or not, and where to ask, in every format that is read", async () => {
      const ubl = (good("ubl")[0]?.text as string)
        .replace("NB-2026-0815", `V-${serial}`)
        .replace(/<cac:PartyTaxScheme><cbc:CompanyID>DE 301.*?<\/cac:PartyTaxScheme>/s, "");
      for (const [text, askAt] of [
        [national(), tax],
        [ubl, undefined],
      ] as const) {
        const before = await verified("application/xml", text);
        expect([before.registered, before.askAt]).deep.equals([false, askAt]);
        const { claim } = await register(text);
        const after = await verified("application/xml", text);
        expect([after.registered, after.askAt]).deep.equals([true, askAt]);
        // other facts of the invoice do not count: nobody finds them out by trying
        const name = text.includes("EInvoice") ? "李晓明" : "Lieferung";
        expect((await verified("application/xml", text.replace(name, "x"))).registered).equals(
          true,
        );
        await reject(claim.id);
        expect((await verified("application/xml", text)).registered).equals(false);
      }
    });

    it("by a code of the national platform, in every form of it", async () => {
      const { claim } = await register(national());
      const texts = [
        `01,32,,${nationalNumber},255.00,20261111,,ABCD`,
        `01,32,,${nationalNumber},255,20261111,,`,
        `01,51,,${nationalNumber},1.00,20200101,,ABCD`,
        `01,32,,${nationalNumber}`,
      ];
      for (const text of texts) {
        const body = await verified("text/plain", text);
        expect([body.registered, body.askAt, body.number], text).deep.equals([
          true,
          tax,
          nationalNumber,
        ]);
      }
      const query = { number: nationalNumber, date: "2026-11-11", total: "255.00" };
      expect((await ask(query)).body).include({ registered: true, askAt: tax });
      await reject(claim.id);
      for (const text of texts)
        expect((await verified("text/plain", text)).registered, text).equals(false);
    });

    for (const [kind, code, length, text, askAt] of [
      ["invoice", "044031900111", 8, "01,10,CODE,NUMBER,188.68,20261103,,ABCD", tax],
      ["bill", "00010122", 10, "01,06,CODE,NUMBER,a1b2c3,20261103,200.00", bills],
    ] as const)
      it(`by the code of an older one: ${kind}`, async () => {
        const original = serial.padStart(length, "7");
        const scanned = text.replace("CODE", code).replace("NUMBER", original);
        const before = await verified("text/plain", scanned);
        expect(before.code).include({ kind, code, number: original, date: "2026-11-03" });
        expect([before.registered, before.askAt, before.number]).deep.equals([
          false,
          askAt,
          undefined,
        ]);
        const { claim } = await register({
          ...invoiceOf(shop, firm),
          seller: { taxId: freshTaxId(), name: "卖方" },
          sourceId: `${code}-${original}`,
        });
        expect((await verified("text/plain", scanned)).registered).equals(true);
        await reject(claim.id);
      });

    it("by a tax office's link: it is asked there", async () => {
      const link = "https://bcfp.shenzhen.chinatax.gov.cn/verify/scan?hash=00ab";
      const body = await verified("text/plain", link);
      expect([body.code, body.askAt, body.registered]).deep.equals([
        { kind: "link" },
        link,
        undefined,
      ]);
    });

    it("an allotted number that is not issued yet is of this network: nobody else is asked", async () => {
      const { items } = await must(
        call("GET", `/v1/taxpayers/${shop.taxId}/segments`, undefined, { token: shop.token }),
      );
      const { first, length } = items[0];
      const last = String(BigInt(first) + BigInt(length) - 1n);
      const { body } = await ask({ number: last, ...printed });
      expect([body.result, body.registered, body.askAt]).deep.equals([
        "not-found",
        undefined,
        undefined,
      ]);
    });

    it("a code of ours whose kind is a national one does not match", async () => {
      const text = `01,51,,${number},200.00,20261103,,ABCD`;
      expect((await show("text/plain", text)).body.result).equals("mismatch");
    });
  });

  describe("by QR code", () => {
    const scan = (png: Uint8Array) => {
      const { data, width, height } = PNG.sync.read(Buffer.from(png));
      return decode(new Uint8ClampedArray(data), width, height)?.data ?? "";
    };

    it("the text in it is checked like a print, including its kind", async () => {
      const text = scan(await fetched(`/v1/invoices/${number}/qr`, "image/png"));
      expect((await show("text/plain", text)).body).include({ result: "valid", number });
      expect((await show("text/plain", text.replace("#01,32,", "#01,31,"))).body.result).equals(
        "mismatch",
      );
      expect((await show("text/plain", text.replace("200.00", "200.10"))).body.result).equals(
        "mismatch",
      );
      refused(await show("text/plain", "hello"), "invalid-request", {
        field: "",
        rule: "qr-format",
      });
    });

    it("a scanner reads a signed one, it proves itself, and it does not support another print", async () => {
      const text = scan(await fetched(`/v1/invoices/${number}/qr?signed=1`, "image/png"));
      const proof = readQr(text)?.proof ?? "";
      const bundle = decodeProof(proof) as Bundle;
      expect(Object.keys(bundle.parts)).deep.equals([...qrParts]);
      expect(checkBundle(bundle).ok).equals(true);
      expect(encodeProof(await bundleOf(number, `?disclose=${qrParts.join()}`))).equals(proof);
      const reply = await show("text/plain", text);
      expect(reply.body).include({ result: "valid", number });
      expect(outcome(reply, "printed")).equals("ok");
      expect(outcome(reply, "identity")).equals("ok");
      expect((await show("text/plain", text.replace(",200.00,", ",900.00,"))).body.result).equals(
        "mismatch",
      );
      expect((await show("text/plain", text.replace("#01,32,", "#01,31,"))).body.result).equals(
        "mismatch",
      );
      // one character of the proof: the sealed content then differs, or the proof is unreadable
      const at = text.length - 700;
      const other = `${text.slice(0, at)}${text[at] === "0" ? "1" : "0"}${text.slice(at + 1)}`;
      const altered = await show("text/plain", other);
      expect(
        altered.status === 422 || ["not-the-issuers", "altered"].includes(altered.body.result),
      ).equals(true);
    });

    it("an unsealed invoice has no QR code", async () => {
      const signed = (invoice: string) =>
        call("GET", `/v1/invoices/${invoice}/qr?signed=1`, undefined, { token: shop.token });
      const fresh = await whileNothingIsSealed(async () => {
        const accepted = await must(
          call("POST", "/v1/invoices", invoiceOf(shop, firm), { token: shop.token, wait: 0 }),
        );
        refused(await signed(accepted.number), "invoice-not-sealed");
        return accepted.number as string;
      });
      await untilStatus(fresh, "issued");
      expect((await signed(fresh)).status).equals(200);
    });
  });
});
