/**
 * Encodings of XML: a file says its own, whatever else speaks of it has to agree, and its bytes are
 * kept as they came. No byte becomes U+FFFD.
 */
import { createHash } from "node:crypto";
import { sourceFormats } from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import { declaring, gb18030, inGb } from "./gb18030.ts";
import { good, load, samplesRoot } from "./samples.ts";

const { text, body } = load(samplesRoot, "shudian/01-restaurant-ordinary.xml");
const swapped = (bytes: Buffer) => Buffer.from(bytes).swap16();
const little = (xml: string) => Buffer.from(`\ufeff${declaring(xml, "UTF-16")}`, "utf16le");

/** What is wrong with a body: `rule: detail`. */
function refusal(bytes: Uint8Array, type = "application/xml"): string {
  try {
    readInvoice(type, bytes);
    return "read";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const [first] = error.violations;
    expect([error.code, first?.field]).deep.equals(["malformed-document", "/"]);
    return `${first?.rule}: ${first?.detail}`;
  }
}
const codeOf = (bytes: Uint8Array, type: string): string => {
  try {
    readInvoice(type, bytes);
    return "read";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.code;
  }
};

describe("an XML file in another encoding", () => {
  const encoded: [encoding: string, encode: (xml: string) => Buffer][] = [
    ["GBK", (xml) => inGb(xml, "GBK")],
    ["gb2312", (xml) => inGb(xml, "gb2312")],
    ["GB18030", (xml) => inGb(xml, "GB18030")],
    ["GB18030 with its mark", (xml) => Buffer.concat([mark, inGb(xml, "GB18030")])],
    ["UTF-16, little end first", little],
    ["UTF-16, big end first", (xml) => swapped(little(xml))],
    ["UTF-8 with a mark", (xml) => Buffer.from(`\ufeff${xml}`)],
  ];
  const mark = Buffer.from("84319533", "hex");
  for (const [label, encode] of encoded)
    it(`is the same document, and its bytes are kept: ${label}`, () => {
      for (const sample of sourceFormats.flatMap(good)) {
        const { text: xml } = sample;
        const { source: before, ...document } = readInvoice(
          "application/xml",
          sample.body,
        ).document;
        const bytes = encode(xml);
        const read = readInvoice("application/xml", bytes);
        const { source, ...same } = read.document;
        expect(same, sample.name).deep.equals(document);
        expect(source, sample.name).deep.equals({
          format: before?.format,
          sha256: createHash("sha256").update(bytes).digest("hex"),
        });
        expect(Buffer.from(read.source?.bytes ?? []).equals(bytes), sample.name).equals(true);
      }
    });

  it("is read by its own bytes: characters of GBK and of GB18030's four bytes", () => {
    // written by hand, not by the encoder of these tests
    expect(gb18030("数电票").toString("hex")).equals("cafdb5e7c6b1");
    expect(gb18030("𠮷").toString("hex")).equals("9534b235");
    const name = /<SellerName>([^<]*)</.exec(text)?.[1] ?? "";
    const read = readInvoice("application/xml", inGb(text.replaceAll(name, "𠮷野家鎔記")));
    expect(read.document.seller.name).equals("𠮷野家鎔記");
  });

  it("that is not read here is refused by its name", () => {
    for (const other of ["Big5", "ISO-8859-1", "Shift_JIS", "windows-1252", "UTF-7", "UTF-32"])
      expect(refusal(Buffer.from(declaring(text, other)))).equals(
        `encoding-not-read: The declared encoding ${other} is not read here: use UTF-8, GB18030 (also as GBK and GB2312) or UTF-16`,
      );
  });

  it("that needs a byte order mark is refused without it", () => {
    const wide = Buffer.from(text.replace(/^<\?xml.*?\?>/, ""), "utf16le");
    for (const bytes of [wide, swapped(wide), little(text).subarray(2)])
      expect(refusal(bytes)).equals(
        "encoding-not-read: UTF-16 without its byte order mark is not read here",
      );
  });

  it("that two parts of it say differently is refused", () => {
    const bom = Buffer.from("efbbbf", "hex");
    for (const [bytes, why] of [
      [Buffer.from(`\ufeff${declaring(text, "GBK")}`), "begins with the mark of UTF-8"],
      [Buffer.concat([bom, inGb(text)]), "begins with the mark of UTF-8"],
      [Buffer.from(`\ufeff${text}`, "utf16le"), "begins with the mark of UTF-16LE"],
      [swapped(Buffer.from(`\ufeff${text}`, "utf16le")), "begins with the mark of UTF-16BE"],
      [Buffer.from(declaring(text, "UTF-16")), "does not begin with its mark"],
      [Buffer.from(declaring(text, "GBK")), "all of its bytes are UTF-8"],
    ] as const)
      expect(refusal(bytes))
        .match(/^encoding-contradiction: .*/)
        .and.includes(why);
    // without a Chinese character both are the same text
    const ascii = "<?xml version='1.0' encoding='GBK'?><EInvoice/>";
    expect(codeOf(Buffer.from(ascii), "application/xml")).equals("invalid-document");
  });

  it("under a declaration that readers would guess at is refused", () => {
    for (const declaration of [
      '<?xml version="1.0" encoding="UTF-8" encoding="GBK"?>',
      '<?xml encoding="GBK" version="1.0"?>',
      '<?xml version="1.0" encoding="数"?>',
      `<?xml version="1.0"${" ".repeat(600)}encoding="Big5"?>`,
    ])
      expect(refusal(Buffer.from(text.replace(/^<\?xml.*?\?>/, declaration)))).match(
        /^not-well-formed: The XML declaration/,
      );
    for (const declaration of [
      "",
      "<?xml version = '1.0' ?>",
      '<?xml version="1.0"\nstandalone="yes"?>',
    ])
      expect(codeOf(Buffer.from(text.replace(/^<\?xml.*?\?>/, declaration)), "text/xml")).equals(
        "read",
      );
  });
});

describe("a byte that is not a character of the file's encoding", () => {
  const kinds: [name: string, rule: string, whole: Buffer, wrong: string[]][] = [
    ["UTF-8", "encoding-not-utf8", body, ["ff", "c328", "e4b8", "c0af", "eda080", "f4908080"]],
    ["GB18030", "encoding-not-gb18030", inGb(text), ["ff", "81", "b0", "8130", "fe39fe39"]],
    ["UTF-16LE", "encoding-not-utf16", little(text), ["00d8", "00dc"]],
    ["UTF-16BE", "encoding-not-utf16", swapped(little(text)), ["d800", "dc00"]],
  ];
  for (const [name, rule, whole, wrong] of kinds)
    it(`is refused with its offset: ${name}`, () => {
      // before any tag: never inside of a character
      const tags = [...whole.keys()].filter(
        (at) =>
          (name === "UTF-16LE" && at % 2 === 0 && whole.readUInt16LE(at) === 0x3c) ||
          (name === "UTF-16BE" && at % 2 === 0 && whole.readUInt16BE(at) === 0x3c) ||
          (!name.startsWith("UTF-16") && at > 3 && whole[at] === 0x3c),
      );
      fc.assert(
        fc.property(fc.constantFrom(...tags.slice(1)), fc.constantFrom(...wrong), (at, hex) => {
          const bytes = Buffer.concat([
            whole.subarray(0, at),
            Buffer.from(hex, "hex"),
            whole.subarray(at),
          ]);
          expect(refusal(bytes)).equals(
            `${rule}: The bytes at offset ${at} are not a character of ${name}`,
          );
        }),
      );
    });

  it("is found far behind, and at the end", () => {
    const comment = `<!--${"数电票".repeat(20_000)}-->`;
    const long = inGb(text.replace("<EInvoice>", `${comment}<EInvoice>`));
    expect(refusal(Buffer.concat([long, Buffer.of(0xb0)]))).includes(`offset ${long.length} `);
    const json = Buffer.concat([Buffer.from('{"remark":"数'), Buffer.of(0xb0), Buffer.from('"}')]);
    try {
      readInvoice("application/json", json);
      expect.fail("read");
    } catch (error) {
      expect((error as Problem).violations).deep.equals([
        {
          field: "",
          rule: "encoding-not-utf8",
          detail: "The bytes at offset 14 are not a character of UTF-8",
        },
      ]);
    }
  });
});

describe("the charset of a Content-Type", () => {
  const gbk = inGb(text);
  it("has to agree with the file", () => {
    for (const [bytes, charset] of [
      [body, "utf-8"],
      [body, '"UTF8"'],
      [gbk, "GBK"],
      [gbk, "gb18030"],
      [little(text), "utf-16"],
      [little(text), "UTF-16LE"],
    ] as const)
      expect(refusal(bytes, `application/xml; charset=${charset}`)).equals("read");
    for (const [bytes, charset, file] of [
      [body, "gbk", "UTF-8"],
      [gbk, "utf-8", "GB18030"],
      [gbk, "utf-16", "GB18030"],
      [little(text), "utf-8", "UTF-16LE"],
      [little(text), "utf-16be", "UTF-16LE"],
      // a file that only its Content-Type explains could not be read by those who keep it
      [gb18030(text.replace(/^<\?xml.*?\?>/, "")), "gbk", "UTF-8"],
    ] as const)
      expect(refusal(bytes, `text/xml; charset=${charset}`)).match(
        new RegExp(
          `^encoding-contradiction: The charset .* is ${charset}, and the file is ${file}`,
        ),
      );
  });
  it("that is not read, or JSON in another one than UTF-8, is refused before the file is", () => {
    for (const type of ["application/xml; charset=big5", "application/json; charset=gbk"])
      expect(codeOf(body, type)).equals("unsupported-media-type");
  });
});
