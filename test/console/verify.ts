/**
 * The public page without a gateway: it reads, remembers and shows codes, links, files, keys and a
 * stranger's texts.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { digest } from "@onepiao/protocol/ledger/messages.ts";
import { leafHash, lotTree } from "@onepiao/protocol/ledger/tree.ts";
import { type Bundle, bundleFormat, ledgerDomain } from "@onepiao/protocol/proofs/bundle.ts";
import { contentHash, disclose } from "@onepiao/protocol/proofs/disclosing.ts";
import { encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { expect } from "chai";
import { SigningKey } from "ethers";
import fc from "fast-check";
import { isTheirs, shownTexts } from "../../console/src/areas/public/answers.ts";
import { checkOnDevice } from "../../console/src/areas/public/device.ts";
import { confirmationIn, type Sealed, withAnswer } from "../../console/src/areas/public/keys.ts";
import { mediaTypeOf } from "../../console/src/shared/file-type.ts";
import {
  linkOf,
  linkWith,
  readPickup,
  readPrinted,
  readQr,
} from "../../console/src/shared/links.ts";
import { goodSamples } from "../../sandbox/samples.ts";
import { gb18030 } from "../formats/gb18030.ts";

const number = "26442000000000000001";
const secret = `0x${"ab".repeat(32)}`;
const content = { number, kind: "ordinary", gross: "200.00", date: "2026-11-03" } as const;

describe("the code of an invoice", () => {
  it("is a link that says what it was made of, with a pickup and with a proof", () => {
    const contents = fc.record({
      number: fc
        .bigInt({ min: 0n, max: 10n ** 20n - 1n })
        .map((value) => value.toString().padStart(20, "0")),
      kind: fc.constantFrom("ordinary" as const, "special" as const),
      gross: fc
        .bigInt({ min: 0n, max: 10n ** 15n - 1n })
        .map((cents) => `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`),
      date: fc
        .date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
        .map((at) => at.toISOString().slice(0, 10)),
    });
    fc.assert(
      fc.property(contents, fc.boolean(), fc.boolean(), (invoice, pickup, proof) => {
        const whole = {
          ...invoice,
          ...(pickup ? { pickup: secret } : {}),
          ...(proof ? { proof: "AB_-.~*/:9" } : {}),
        };
        const link = linkOf(whole, "https://gateway.example");
        expect(readQr(link)).deep.equals(whole);
        expect(new URL(link).search).equals("");
        // out of the address bar, and read there again
        expect(readQr(linkWith(new URL(link).hash))).deep.equals(whole);
        expect(readPickup(link)).deep.equals(
          pickup ? { number: invoice.number, secret } : undefined,
        );
      }),
    );
  });

  const pickups: [label: string, text: string, pickup: object | undefined][] = [
    ["as the API gives it", JSON.stringify({ number, secret }), { number, secret }],
    ["with more beside it", JSON.stringify({ number, secret, url: "x" }), { number, secret }],
    [
      "whose number is one of JSON, which has lost its last digits",
      `{"number":26442000000000000001,"secret":"${secret}"}`,
      undefined,
    ],
    ["whose secret is a list", JSON.stringify({ number, secret: [secret] }), undefined],
    ["with a secret that is too short", JSON.stringify({ number, secret: "0x12" }), undefined],
    ["without a secret", linkOf(content, "https://g.example"), undefined],
    ["of null", "null", undefined],
    ["of a number", "5", undefined],
    ["of nothing", "", undefined],
    ["of some other code", "https://example.com/#hello", undefined],
  ];
  for (const [label, text, pickup] of pickups)
    it(`${label} ${pickup === undefined ? "is not a pickup" : "is a pickup"}`, () => {
      expect(readPickup(text)).deep.equals(pickup);
    });

  it("is read of whatever is scanned, without an error", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "grapheme" }), fc.json({ depthSize: "xsmall" })),
        (text) => {
          const pickup = readPickup(text);
          if (pickup !== undefined) expect(pickup.number).to.match(/^\d{20}$/);
        },
      ),
    );
  });

  const printed: [search: string, hash: string, read: object][] = [
    [
      `?number=${number}&date=2026-11-03&total=200.00`,
      "",
      { number, date: "2026-11-03", total: "200.00" },
    ],
    ["?number=1", `#number=${number}`, { number }],
    [`?number=${number}`, "#", { number }],
    ["?date=&total=5.00", "", { total: "5.00" }],
    ["", "", {}],
    [`?number=${"9".repeat(100)}`, "", { number: "9".repeat(40) }],
  ];
  for (const [search, hash, read] of printed)
    it(`in the page's address ${search.slice(0, 40)}${hash} asks for ${JSON.stringify(read).slice(0, 60)}`, () => {
      expect(readPrinted({ search, hash })).deep.equals(read);
    });
});

describe("a file that somebody drops", () => {
  const bytes = (text: string) => new TextEncoder().encode(text).buffer as ArrayBuffer;
  const files: [label: string, text: string, type: string][] = [
    ["a PDF", "%PDF-1.7\n", "application/pdf"],
    ["a PDF behind a printer's bytes", "\u001b%-12345X@PJL\r\n%PDF-1.4", "application/pdf"],
    ["XML", "<?xml version='1.0'?><EInvoice/>", "application/xml"],
    ["XML behind blanks", "\n \t<Invoice/>", "application/xml"],
    ["XML behind a byte order mark", "\ufeff<Invoice/>", "application/xml"],
    ["XML that speaks of a PDF", "<a>%PDF-1.7</a>", "application/xml"],
    ["JSON", '{"format":"x"}', "application/json"],
    ["JSON behind a byte order mark", "\ufeff {}", "application/json"],
    ["JSON that speaks of a PDF", '{"remark":"%PDF-1.7"}', "application/json"],
    ["nothing", "", "application/json"],
    ["a picture", "\u0089PNG", "application/json"],
  ];
  for (const [label, text, type] of files)
    it(`is ${type.slice(12)} when it is ${label}`, () => {
      expect(mediaTypeOf(bytes(text))).equals(type);
    });

  it("is a ZIP or a picture by its first bytes, which the gateway refuses in words", () => {
    for (const [type, start] of [
      ["application/zip", [0x50, 0x4b, 3, 4]],
      ["image/png", [0x89, 0x50, 0x4e, 0x47]],
      ["image/jpeg", [0xff, 0xd8, 0xff, 0xe0]],
    ] as const)
      expect(mediaTypeOf(new Uint8Array([...start, 0, 1]).buffer)).equals(type);
  });

  it("is XML in UTF-16 and GBK too", () => {
    const xml = "<?xml version='1.0'?><EInvoice/>";
    for (const marked of [Buffer.from(`\ufeff${xml}`, "utf16le"), gb18030(`${xml}数电票`)]) {
      const copy = new Uint8Array(marked);
      expect(mediaTypeOf(copy.buffer)).equals("application/xml");
    }
    const big = new Uint8Array(Buffer.from(`\ufeff${xml}`, "utf16le").swap16());
    expect(mediaTypeOf(big.buffer)).equals("application/xml");
  });

  it("is known by its first bytes alone, and the same however much follows", () => {
    fc.assert(
      fc.property(fc.constantFrom("%PDF-1.7", "<a", "{", ""), fc.string(), (start, rest) => {
        const text = `${start}${" ".repeat(1_024)}${rest}`;
        expect(mediaTypeOf(bytes(text))).equals(mediaTypeOf(bytes(text).slice(0, 1_024)));
      }),
    );
  });

  it("of the samples is what its folder says", () => {
    for (const folder of ["json", "shudian", "ubl"]) {
      const names = readdirSync(new URL(`../../samples/${folder}/`, import.meta.url)).filter(
        (name) => /\.(json|xml)$/.test(name),
      );
      expect(names.length, folder).greaterThan(0);
      for (const name of names) {
        const file = readFileSync(new URL(`../../samples/${folder}/${name}`, import.meta.url));
        expect(
          mediaTypeOf(
            file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer,
          ),
          name,
        ).equals(name.endsWith(".json") ? "application/json" : "application/xml");
      }
    }
  });
});

describe("issuers' keys that a gateway has confirmed on this device", () => {
  const sealed: Sealed = {
    network: {
      name: "east",
      chainId: 7,
      registry: `0x${"aB".repeat(20)}`,
      ledger: `0x${"cD".repeat(20)}`,
    },
    index: 3,
    key: `0x${"eF".repeat(20)}`,
    taxId: "91440305MA4JURQ28R",
    name: "卖方",
  };
  const at = "2026-11-03T00:00:00.000Z";
  const kept = withAnswer(null, sealed, true, at);

  it("are known from then on, in whatever letters they are written", () => {
    expect(confirmationIn(null, sealed)).deep.equals({ kind: "unknown" });
    expect(confirmationIn(kept, sealed)).deep.equals({ kind: "known", at });
    expect(
      confirmationIn(kept, {
        ...sealed,
        key: sealed.key.toLowerCase(),
        network: { ...sealed.network, ledger: sealed.network.ledger.toLowerCase() },
      }).kind,
    ).equals("known");
  });

  const others: [label: string, other: Sealed, is: string][] = [
    ["another key of the same taxpayer", { ...sealed, key: `0x${"11".repeat(20)}` }, "other"],
    ["another name", { ...sealed, name: "别人" }, "other"],
    ["another tax id", { ...sealed, taxId: "DE1" }, "other"],
    ["another taxpayer", { ...sealed, index: 4 }, "unknown"],
    [
      "a network of the same name and another ledger",
      { ...sealed, network: { ...sealed.network, ledger: `0x${"22".repeat(20)}` } },
      "unknown",
    ],
    ["another chain", { ...sealed, network: { ...sealed.network, chainId: 8 } }, "unknown"],
  ];
  for (const [label, other, is] of others)
    it(`say of ${label}: ${is}`, () => {
      expect(confirmationIn(kept, other).kind).equals(is);
    });

  it("are forgotten when a gateway denies them, those of others not", () => {
    const two = withAnswer(kept, { ...sealed, index: 4 }, true, at);
    const denied = withAnswer(two, sealed, false, at);
    expect([
      confirmationIn(denied, sealed).kind,
      confirmationIn(denied, { ...sealed, index: 4 }).kind,
    ]).deep.equals(["unknown", "known"]);
  });

  it("are the 200 that were confirmed last, each once", () => {
    let text: string | null = null;
    for (let index = 0; index < 250; index += 1)
      text = withAnswer(text, { ...sealed, index }, true, at);
    text = withAnswer(text, { ...sealed, index: 60 }, true, "2027-01-01T00:00:00.000Z");
    expect(JSON.parse(text ?? "")).to.have.length(200);
    const kind = (index: number) => confirmationIn(text, { ...sealed, index }).kind;
    expect([kind(49), kind(50), kind(51), kind(60), kind(249)]).deep.equals([
      "unknown",
      "known",
      "known",
      "known",
      "known",
    ]);
    expect(confirmationIn(text, { ...sealed, index: 60 })).deep.equals({
      kind: "known",
      at: "2027-01-01T00:00:00.000Z",
    });
  });

  it("are missing from a damaged text, and the next confirmation repairs it", () => {
    for (const text of [
      "",
      "{",
      "null",
      "5",
      "{}",
      '["x",null,5,{}]',
      '[{"taxpayer":1,"identity":2,"at":3}]',
      `[{"taxpayer":"a","identity":"b","at":"never"}]`,
      `[{"taxpayer":"a","identity":"b","at":5}]`,
    ]) {
      expect(confirmationIn(text, sealed), text).deep.equals({ kind: "unknown" });
      expect(withAnswer(text, sealed, true, at), text).equals(kept);
    }
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json({ depthSize: "xsmall" })), (text) => {
        expect(confirmationIn(withAnswer(text, sealed, true, at), sealed)).deep.equals({
          kind: "known",
          at,
        });
      }),
    );
  });
});

describe("a gateway's answer about the sealing key", () => {
  const steps = (network: string, issuer: string, identity: string) => ({
    steps: Object.entries({ content: "ok", network, issuer, identity }).map(([step, outcome]) => ({
      step,
      outcome,
      detail: "",
    })),
  });
  const answers: [label: string, verified: object, theirs: boolean | undefined][] = [
    ["all of it holds", steps("ok", "ok", "ok"), true],
    ["it is another's key", steps("ok", "failed", "ok"), false],
    ["it is another's name", steps("ok", "ok", "failed"), false],
    ["it is another network", steps("failed", "not-checked", "not-checked"), false],
    ["it could not look", steps("not-checked", "not-checked", "not-checked"), undefined],
    ["it has looked at a part", steps("ok", "ok", "not-checked"), undefined],
    ["it has answered by print, without steps", { result: "valid" }, undefined],
    [
      "it has answered without one of the steps",
      { steps: [{ step: "network", outcome: "ok", detail: "" }] },
      undefined,
    ],
  ];
  for (const [label, verified, theirs] of answers)
    it(`when ${label}: ${theirs ?? "nothing that counts"}`, () => {
      expect(isTheirs(verified)).equals(theirs);
    });
});

describe("the text of a stranger's file", () => {
  it("is shown as it is written, the time with its own offset", () => {
    const shown = {
      date: "2026-11-03T00:30:00+08:00",
      seller: { name: "卖方", taxId: "91440305MA4JURQ28R" },
      buyer: { name: "个人" },
      total: "106.00",
      currency: "USD",
      lines: [{ name: "餐费", amount: "100.00" }, { name: "茶" }],
      remark: "备注",
    };
    expect(shownTexts(shown)).deep.equals({
      date: "2026-11-03 00:30:00 +08:00",
      seller: "卖方 91440305MA4JURQ28R",
      buyer: "个人",
      total: "106.00",
      currency: "USD",
      lines: "餐费 100.00; 茶",
      remark: "备注",
    });
    expect(shownTexts({})).deep.equals({ currency: "CNY" });
  });
  it("is left out where it is nothing that could be shown, and never breaks the page", () => {
    expect(
      shownTexts({
        lines: [null, 5, "x", {}],
        seller: null,
        buyer: "me",
        total: 5,
        date: {},
        currency: 7,
        remark: [],
      }),
    ).deep.equals({
      currency: "CNY",
      lines: "; ; ; ",
    });
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom("date", "seller", "buyer", "total", "currency", "remark", "lines"),
          fc.jsonValue(),
        ),
        (shown) => {
          for (const text of Object.values(shownTexts(shown as Record<string, unknown>)))
            expect(typeof text).equals("string");
        },
      ),
    );
  });
});

describe("a proof in a code, checked on this device", () => {
  const key = new SigningKey(`0x${"11".repeat(32)}`);
  const account = (byte: string) => `0x${byte.repeat(20)}`;
  const network = { name: "east", chainId: 7, registry: account("12"), ledger: account("34") };
  const [sample] = goodSamples().filter(
    ({ document }) => !document.reverses && document.buyer.taxId === undefined,
  );
  const document = sample?.document as NonNullable<typeof sample>["document"];
  const seed = randomBytes(32);
  const leaf = { content: contentHash(seed, document), holder: account("56"), buyer: 0 };
  const tree = lotTree([leafHash(leaf)]);
  const lot = {
    first: number,
    count: 1,
    issuer: 3,
    time: 1_800_000_000,
    root: tree.root,
    segment: number,
  };
  const { r, yParityAndS: vs } = key.sign(
    digest(ledgerDomain({ network }), {
      type: "Seal",
      value: { issuer: 3, segment: number, first: number, count: 1, root: tree.root },
    }),
  );
  const seller = {
    index: 3,
    account: account("78"),
    taxId: document.seller.taxId,
    name: document.seller.name,
    salt: randomBytes(32).toString("hex"),
  };
  const bundle = {
    format: bundleFormat,
    network,
    number,
    ...disclose(seed, document, qrParts),
    leaf,
    lot,
    path: [],
    seal: { r, vs },
    parties: [seller],
  } as unknown as Bundle;
  const printed = {
    number,
    kind: document.kind,
    gross: document.totals.gross,
    date: document.issuedAt.slice(0, 10),
  };
  const proof = encodeProof(bundle);
  const forged = encodeProof({
    ...bundle,
    parts: { ...bundle.parts, total: { ...bundle.parts.total, value: "9.99" } },
  } as Bundle);

  it("holds when it is what is printed, and says whose key has sealed, which nobody has confirmed here", () => {
    const { holds, issuer, verdict } = checkOnDevice(proof, printed);
    expect(holds).equals(true);
    expect([issuer?.sealed.taxId, issuer?.sealed.index, issuer?.confirmation.kind]).deep.equals([
      document.seller.taxId,
      3,
      "unknown",
    ]);
    expect(
      "shown" in verdict ? (verdict.shown as { total?: string } | undefined)?.total : undefined,
    ).equals(document.totals.gross);
  });

  it("with another total than was sealed is one of another key, which this device does not know", () => {
    const [sealed, changed] = [
      checkOnDevice(proof, printed),
      checkOnDevice(forged, { ...printed, gross: "9.99" }),
    ];
    expect(changed.issuer?.sealed.key).not.equals(sealed.issuer?.sealed.key);
    const known =
      sealed.issuer && withAnswer(null, sealed.issuer.sealed, true, "2026-11-03T00:00:00.000Z");
    expect(changed.issuer && confirmationIn(known ?? null, changed.issuer.sealed).kind).equals(
      "other",
    );
  });

  const wrong: [label: string, proof: string, printed: typeof printed][] = [
    ["another total is printed", proof, { ...printed, gross: "9.99" }],
    ["another number is printed", proof, { ...printed, number: "26442000000000000002" }],
    ["another day is printed", proof, { ...printed, date: "2001-01-01" }],
    ["half of it is missing", proof.slice(0, proof.length / 2), printed],
    ["it is not a proof", "AAAA", printed],
  ];
  for (const [label, text, print] of wrong)
    it(`does not hold when ${label}, and then names no issuer`, () => {
      const { holds, issuer } = checkOnDevice(text, print);
      expect([holds, issuer]).deep.equals([false, undefined]);
    });
});
