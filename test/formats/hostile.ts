import { formatNames } from "@onepiao/protocol/formats/formats.ts";
import { maxBody, readInvoice } from "@onepiao/protocol/formats/read.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import { bad, good, load, type Sample, samplesRoot } from "./samples.ts";

/**
 * Reads, and returns the outcome: the code of a Problem, or "read"; `took`: milliseconds of CPU.
 * Any other error fails the test.
 */
function outcome(
  mediaType: string,
  body: Uint8Array,
): { code: string; rule: string | undefined; took: number } {
  const start = process.threadCpuUsage();
  const took = () => process.threadCpuUsage(start).user / 1_000;
  try {
    readInvoice(mediaType, body);
    return { code: "read", rule: undefined, took: took() };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { code: error.code, rule: error.violations[0]?.rule, took: took() };
  }
}
const xml = (text: string) => outcome("application/xml", Buffer.from(text));
const json = (text: string) => outcome("application/json", Buffer.from(text));

const small: Sample[] = [...formatNames.flatMap(good), ...bad()].filter(
  ({ body }) => body.length > 0 && body.length < 8000,
);
/**
 * Milliseconds of CPU, generous for a slow machine; it must catch quadratic or exponential work.
 */
const bound = 2000;

describe("hostile bytes", () => {
  it("of any kind are refused as a Problem and in time", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("application/json", "application/xml"),
        fc.uint8Array({ maxLength: 400 }),
        (mediaType, body) => {
          const { code, took } = outcome(mediaType, body);
          expect(code).not.to.equal("read");
          expect(took).to.be.lessThan(bound);
        },
      ),
      { numRuns: 500 },
    );
  });
  it("made from samples by cutting, doubling and inserting are read or refused, never a crash", () => {
    const tokens = fc.constantFrom(
      "<",
      ">",
      "&",
      "</",
      "/>",
      "<!--",
      "-->",
      "<![CDATA[",
      "]]>",
      "<?",
      "?>",
      '"',
      "'",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\\",
      "\\u0000",
      "\u0000",
      "\ufffe",
      "<!DOCTYPE a>",
      "&#0;",
      "&#x110000;",
      "&x;",
      "xmlns:a=''",
      "__proto__",
      "constructor",
      "1e999",
      "-",
      "null",
      "9".repeat(400),
      "<__proto__/>",
      "<constructor/>",
      "<a:b/>",
      "<toString a='1' a='2'/>",
    );
    const codes = new Set<string>();
    fc.assert(
      fc.property(
        fc.constantFrom(...small),
        fc.array(
          fc.tuple(
            fc.constantFrom("cut", "double", "insert"),
            fc.double({ min: 0, max: 1, noNaN: true }),
            fc.nat(60),
            tokens,
          ),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        (sample, changes) => {
          let { text } = sample;
          for (const [kind, where, length, token] of changes) {
            const at = Math.floor(where * text.length);
            if (kind === "cut") text = text.slice(0, at) + text.slice(at + length);
            else if (kind === "double") text = text.slice(0, at + length) + text.slice(at);
            else text = text.slice(0, at) + token + text.slice(at);
          }
          const { code, took } = outcome(sample.mediaType, Buffer.from(text));
          codes.add(code);
          expect(took).to.be.lessThan(bound);
        },
      ),
      { numRuns: 1500 },
    );
    expect([...codes]).to.include.members([
      "malformed-document",
      "invalid-document",
      "forbidden-markup",
    ]);
  });
  it("in the shape of JSON with any value anywhere are refused with a field", () => {
    const sample = JSON.parse(load(samplesRoot, "json/02-discount.json").text) as Record<
      string,
      unknown
    >;
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(sample)),
        fc.jsonValue({ maxDepth: 4 }),
        (member, value) => {
          const { code } = json(JSON.stringify({ ...sample, [member]: value }));
          expect(code).to.be.oneOf(["read", "invalid-document", "malformed-document"]);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("hostile XML", () => {
  it("with a DTD is refused before an entity is expanded", () => {
    for (const name of [
      "shudian/bad/06-external-entity.xml",
      "shudian/bad/07-entity-expansion.xml",
    ]) {
      const { code, rule } = xml(load(samplesRoot, name).text);
      expect({ code, rule }).to.deep.equal({ code: "forbidden-markup", rule: "dtd-forbidden" });
    }
    const levels = Array.from(
      { length: 60 },
      (_, level) => `<!ENTITY l${level + 1} "${`&l${level};`.repeat(10)}">`,
    ).join("");
    const { code, took } = xml(
      `<!DOCTYPE x [<!ENTITY l0 "lol">${levels}]><EInvoice>&l60;</EInvoice>`,
    );
    expect(code).to.equal("forbidden-markup");
    expect(took).to.be.lessThan(bound);
  });
  it("with an entity that is not built in is refused, in text and in attributes", () => {
    for (const body of [
      "<EInvoice>&nbsp;</EInvoice>",
      "<EInvoice a='&e;'/>",
      "<EInvoice>&lt;&xxe;</EInvoice>",
    ])
      expect(xml(body), body).to.include({ code: "forbidden-markup", rule: "entity-forbidden" });
    for (const body of [
      "<EInvoice>&</EInvoice>",
      "<EInvoice>&#0;</EInvoice>",
      "<EInvoice>&#xD800;</EInvoice>",
      "<EInvoice>&#1114112;</EInvoice>",
    ])
      expect(xml(body), body).to.include({ code: "malformed-document", rule: "not-well-formed" });
  });
  it("may speak of a DTD in a comment or in CDATA", () => {
    const { text } = load(samplesRoot, "shudian/01-restaurant-ordinary.xml");
    expect(
      xml(
        text.replace(
          "<Remark>午餐 4人",
          "<!-- <!DOCTYPE &e; --><Remark><![CDATA[<!DOCTYPE & &e;]]>",
        ),
      ).code,
    ).to.equal("read");
  });
  it("in another encoding than it declares is refused", () => {
    const { text, body } = load(samplesRoot, "shudian/01-restaurant-ordinary.xml");
    for (const [declared, rule] of [
      ["GBK", "encoding-contradiction"],
      ["ISO-8859-1", "encoding-not-read"],
      ["utf-16", "encoding-contradiction"],
    ] as const)
      expect(xml(text.replace("UTF-8", declared)), declared).to.include({
        code: "malformed-document",
        rule,
      });
    expect(outcome("application/xml", Buffer.from(`\ufeff${text}`, "utf16le"))).to.include({
      code: "malformed-document",
      rule: "encoding-contradiction",
    });
    expect(
      outcome(
        "application/xml",
        Buffer.concat([body.subarray(0, 700), Buffer.from([0xc3, 0x28]), body.subarray(700)]),
      ).rule,
    ).to.equal("encoding-not-utf8");
    expect(
      outcome("application/xml", Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body])).code,
      "a byte-order mark is harmless",
    ).to.equal("read");
  });
  it("that is cut off anywhere is refused", () => {
    const { body } = load(samplesRoot, "shudian/06-scenic-person.xml");
    for (let end = 1; end < body.length - 12; end += 37)
      expect(outcome("application/xml", body.subarray(0, end)).code, `after ${end} bytes`).to.equal(
        "malformed-document",
      );
  });
  it("too deep, too wide or with endless tags is refused in time", () => {
    const cases: [string, string][] = [
      ["deep", "<a>".repeat(50_000) + "</a>".repeat(50_000)],
      ["a little too deep", `<EInvoice>${"<a>".repeat(40)}${"</a>".repeat(40)}</EInvoice>`],
      ["wide", `<EInvoice>${"<a/>".repeat(200_000)}</EInvoice>`],
      ["blank tag", `<EInvoice ${" ".repeat(1_000_000)}/>`],
      [
        "attributes",
        `<EInvoice ${Array.from({ length: 100_000 }, (_, index) => `a${index}=''`).join(" ")}/>`,
      ],
      ["open", "<".repeat(500_000)],
      ["references", `<EInvoice>${"&".repeat(500_000)}</EInvoice>`],
      ["comments", `<EInvoice>${"<!--".repeat(200_000)}</EInvoice>`],
      ["unclosed comments", "<!-- -".repeat(200_000)],
      ["long name", `<${"a".repeat(1_000_000)}/>`],
      ["two roots", "<EInvoice/><EInvoice/>"],
      ["text after", "<EInvoice></EInvoice>x"],
      ["undeclared prefix", "<x:EInvoice/>"],
      ["same attribute twice", "<EInvoice a='1' a='2'/>"],
    ];
    for (const [label, body] of cases) {
      const { code, took } = xml(body);
      expect(code, label).to.equal("malformed-document");
      expect(took, label).to.be.lessThan(bound);
    }
  });
  it("beyond the size of a body is refused unread", () => {
    expect(outcome("application/xml", new Uint8Array(maxBody + 1)).code).to.equal("body-too-large");
  });
  it("of the largest allowed size and with as many lines as allowed is read in bounded time", () => {
    const { text } = load(samplesRoot, "shudian/07-farm-taxfree.xml");
    const line = /<IssuItemInformation>[\s\S]*?<\/IssuItemInformation>/.exec(text)?.[0] ?? "";
    const many = (count: number) => text.replace(line, line.repeat(count));
    expect(xml(many(2000))).to.include({ code: "invalid-document", rule: "too-many" });
    const { code, rule, took } = xml(many(1999));
    expect({ code, rule }, "2,000 lines, whose sum the totals do not say").to.deep.equal({
      code: "invalid-document",
      rule: "net-sum",
    });
    expect(took).to.be.lessThan(5_000);
  });
});

describe("hostile JSON", () => {
  const { text } = load(samplesRoot, "json/01-restaurant.json");
  it("with a member twice is refused, however it is written", () => {
    expect(json(text.replace('"kind"', '"kind": "special", "kind"'))).to.include({
      code: "malformed-document",
      rule: "duplicate-member",
    });
    expect(json(text.replace('"kind"', '"k\\u0069nd": "special", "kind"'))).to.include({
      code: "malformed-document",
      rule: "duplicate-member",
    });
    expect(
      json(text.replace("午餐 4人", '\\"kind\\": {\\\\')).code,
      "a quote in a text is not a member",
    ).to.equal("read");
  });
  it("with prototype members is refused as with any unknown member", () => {
    for (const key of ["__proto__", "constructor", "prototype", "toString", "source"])
      expect(json(text.replace('"kind"', `"${key}": {}, "kind"`)), key).to.include({
        code: "invalid-document",
        rule: "unknown-member",
      });
    expect(({} as Record<string, unknown>).polluted).to.equal(undefined);
  });
  it("with numbers for strings is refused, however large they are", () => {
    for (const number of ["200.00", "1e999", "-0", "9".repeat(10_000)])
      expect(json(text.replace('"200.00"', number)), number.slice(0, 9)).to.include({
        code: "invalid-document",
        rule: "wrong-type",
      });
  });
  it("of absurd depth or of another shape is refused", () => {
    expect(json("[".repeat(100_000) + "]".repeat(100_000))).to.include({
      code: "malformed-document",
      rule: "too-deep",
    });
    expect(json(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`)).to.include({
      code: "malformed-document",
      rule: "too-deep",
    });
    for (const body of ["[]", "null", "1", '"x"', "true"])
      expect(json(body), body).to.include({ code: "invalid-document", rule: "wrong-type" });
    expect(json("{}").code).to.equal("invalid-document");
  });
  it("with characters that no text may have is refused", () => {
    for (const [bad, rule] of [
      ["\\u0000", "text-control"],
      ["\\ud800", "text-surrogate"],
      ["\\u001b[31m", "text-control"],
      ["\\uffff", "text-noncharacter"],
      ["\\u202e元001", "text-bidi"],
      ["餐\\u200b费", "text-zero-width"],
      ["\\ue000", "text-private-use"],
      ["x\\udb40\\udc41", "text-tag"],
      ["a\\u2028b", "text-line-separator"],
    ] as const) {
      expect(json(text.replace("午餐", bad)), bad).to.include({ code: "invalid-document", rule });
      expect(json(text.replace("*餐饮服务*餐费", bad)), bad).to.include({
        code: "invalid-document",
        rule,
      });
    }
    expect(json(text.replace("午餐", "😀\\ud83d\\ude00")).code).to.equal("read");
  });
});
