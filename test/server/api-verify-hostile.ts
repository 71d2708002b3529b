/**
 * Public verification, and import, of forgeries that look genuine: each member of a bundle altered
 * in each way, XML, PDFs and QR codes with pieces cut, doubled and inserted. Each answer is short
 * and never an internal error.
 */

import { qrText } from "@onepiao/protocol/formats/qr.ts";
import { encodeProof, qrParts } from "@onepiao/protocol/proofs/qr-proof.ts";
import { expect } from "chai";
import fc from "fast-check";
import {
  call,
  issued,
  type Loose,
  must,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";

/** The replacements of a member. `undefined` removes it. */
const values: readonly ((was: unknown) => unknown)[] = [
  () => undefined,
  () => null,
  () => "",
  () => 0,
  () => -1,
  () => 2 ** 40,
  () => Number.MAX_SAFE_INTEGER,
  () => 1e21,
  () => true,
  () => [],
  () => ({}),
  () => [[[[{ a: [1] }]]]],
  () => "𠮷".repeat(500),
  () => `0x${"00".repeat(32)}`,
  () => `0x${"ff".repeat(32)}`,
  (was) =>
    typeof was === "string" ? `${was.slice(0, -1)}${was.endsWith("0") ? "1" : "0"}` : [was],
  (was) => (typeof was === "string" ? was.toUpperCase() : { value: was }),
  (was) => (Array.isArray(was) ? [...was, ...was] : `${String(was)} `),
];

type Path = readonly (string | number)[];
/** The paths of all members; of each list only the first element's. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  const inner = Array.isArray(value)
    ? value.slice(0, 1).map((element, at) => [at, element] as const)
    : value !== null && typeof value === "object"
      ? Object.entries(value)
      : [];
  return [
    ...(path.length > 0 ? [path] : []),
    ...inner.flatMap(([key, child]) => pathsOf(child, [...path, key])),
  ];
}
function altered(bundle: unknown, path: Path, change: (was: unknown) => unknown): Loose {
  const copy: Loose = structuredClone(bundle);
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key];
  const last = path.at(-1) as string;
  const value = change(at[last]);
  if (value === undefined && !Array.isArray(at)) delete at[last];
  else at[last] = value;
  return copy;
}

describe("verification of hostile input", () => {
  let shop: TestParty;
  let firm: TestParty;
  let ann: { account: string; token: string };
  let number: string;
  let bundle: Loose;
  let url: string;

  /** Sends bytes; the answer is not an internal error, and a refusal is short. */
  async function show(type: string, body: Uint8Array<ArrayBuffer> | string): Promise<Loose> {
    const response = await fetch(`${url}/v1/verify`, {
      method: "POST",
      headers: { "content-type": type },
      body: typeof body === "string" ? body : Buffer.from(body),
    });
    const text = await response.text();
    expect(response.status, text.slice(0, 300)).below(500);
    if (response.status >= 400) expect(text.length).below(65_536);
    return JSON.parse(text);
  }
  const fetched = async (path: string, accept: string) => {
    const response = await fetch(url + path, {
      headers: { authorization: `Bearer ${shop.token}`, accept },
    });
    expect(response.status).equals(200);
    return Buffer.from(await response.arrayBuffer());
  };

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("茶餐厅", ["issuer"]),
      taxpayer("精密制造", ["employer"]),
    ]);
    ann = await person(firm, "李晓明");
    number = await issued(shop, firm, { holder: ann.account, remark: "午餐 4人" });
    bundle = await must(
      call("GET", `/v1/invoices/${number}/bundle`, undefined, { token: shop.token }),
    );
    url = (await sandbox()).url;
  });

  it("a bundle with any member altered in any way is judged or refused", async function () {
    this.timeout(300_000);
    const paths = pathsOf(bundle);
    expect(paths.length).above(80);
    const cases = paths.flatMap((path) => values.map((change) => altered(bundle, path, change)));
    const results = new Set<string>();
    for (let at = 0; at < cases.length; at += 16)
      for (const answer of await Promise.all(
        cases.slice(at, at + 16).map((input) => show("application/json", JSON.stringify(input))),
      ))
        results.add(answer.result ?? answer.code);
    // some cases go to more than one endpoint
    expect([...results]).includes.members(["invalid-request", "altered", "other-network"]);
  });

  it("and an import of the same is refused", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...pathsOf(bundle)),
        fc.constantFrom(...values),
        async (path, change) => {
          const reply = await call("POST", "/v1/invoices/import", altered(bundle, path, change), {
            token: ann.token,
          });
          expect(reply.status, JSON.stringify(reply.body)).below(500);
        },
      ),
      { numRuns: 100 },
    );
  });

  const pieces = fc.constantFrom(
    "<",
    ">",
    "&",
    "]]>",
    "<!--",
    "<a/>",
    "&#0;",
    "%",
    "\0",
    "0",
    "-1",
    "obj",
    "stream",
    "/EmbeddedFile",
    "#",
    "&proof=",
    ",",
    "*",
    "Z",
  );
  const change = fc.tuple(
    fc.constantFrom("cut", "double", "insert"),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(40),
    pieces,
  );
  for (const [title, type, genuineOf] of [
    [
      "a 数电票",
      "application/xml",
      () => fetched(`/v1/invoices/${number}`, "application/vnd.onepiao.shudian+xml"),
    ],
    [
      "UBL",
      "application/xml",
      () => fetched(`/v1/invoices/${number}`, "application/vnd.onepiao.ubl+xml"),
    ],
    [
      "CII",
      "application/xml",
      () => fetched(`/v1/invoices/${number}`, "application/vnd.onepiao.cii+xml"),
    ],
    ["a PDF", "application/pdf", () => fetched(`/v1/invoices/${number}`, "application/pdf")],
    [
      "a QR code",
      "text/plain",
      async () => {
        const shown = await must(
          call("GET", `/v1/invoices/${number}/bundle?disclose=${qrParts.join()}`, undefined, {
            token: shop.token,
          }),
        );
        const content = {
          number,
          kind: "ordinary",
          gross: "200.00",
          date: "2026-11-03",
          proof: encodeProof(shown),
        } as const;
        return Buffer.from(qrText("https://piao.example", content));
      },
    ],
  ] as const) {
    it(`${title} with pieces cut, doubled and inserted is judged or refused`, async () => {
      const genuine = await genuineOf();
      await fc.assert(
        fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
          let bytes = genuine;
          for (const [kind, where, length, piece] of changes) {
            const at = Math.floor(where * bytes.length);
            if (kind === "cut")
              bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
            else if (kind === "double")
              bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
            else
              bytes = Buffer.concat([
                bytes.subarray(0, at),
                Buffer.from(piece),
                bytes.subarray(at),
              ]);
          }
          await show(type, new Uint8Array(bytes));
        }),
        { numRuns: 60 },
      );
    });
  }

  it("input above a limit is refused for its size, in a few words", async () => {
    const wide = `{${Array.from({ length: 70_000 }, (_, at) => `"m${at}":0`).join()}}`;
    const cases: [string, string, string][] = [
      ["application/json", wide, "too-many-values"],
      [
        "application/json",
        `{${Array.from({ length: 50_000 }, (_, at) => `"m${at}":0`).join()}}`,
        "required",
      ],
      ["application/json", `${"[".repeat(200_000)}${"]".repeat(200_000)}`, "too-deep"],
      ["application/json", `{"parts":[${"0,".repeat(40_000)}0]}`, "too-many-items"],
      ["application/xml", `<EInvoice>${"<a/>".repeat(119_000)}</EInvoice>`, "too-many-elements"],
      [
        "application/xml",
        `<EInvoice>${"<a xmlns='u'/>".repeat(5_000)}</EInvoice>`,
        "foreign-namespace",
      ],
      [
        "application/xml",
        `<EInvoice>${"<?a?>".repeat(150_000)}</EInvoice>`,
        "processing-instruction",
      ],
      ["application/xml", `<EInvoice ${"a ".repeat(300_000)}/>`, "tag-too-long"],
      ["text/plain", "A".repeat(1_000_000), "qr-format"],
    ];
    for (const [type, body, rule] of cases) {
      const answer = await show(type, body);
      expect(answer.errors?.[0]?.rule, `${type} ${body.slice(0, 30)}`).equals(rule);
      expect(answer.errors.length).at.most(20);
    }
  });
});
