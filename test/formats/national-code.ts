/** The QR codes of invoices that were issued elsewhere, in the forms in which they are printed. */
import {
  billOffice,
  type NationalCode,
  readNationalCode,
  taxOffice,
} from "@onepiao/protocol/formats/national-code.ts";
import { expect } from "chai";
import fc from "fast-check";

const number = "25442000000098765432";
const national: NationalCode = {
  kind: "national",
  title: "电子发票（普通发票）",
  number,
  date: "2025-11-03",
  total: "200.00",
  askAt: taxOffice,
};
const older: NationalCode = {
  kind: "invoice",
  title: "增值税电子普通发票",
  code: "044031900111",
  number: "12345678",
  date: "2019-12-31",
  net: "88.00",
  askAt: taxOffice,
};
const { date: _day, total: _total, ...bare } = national;
const bill: NationalCode = {
  kind: "bill",
  code: "00010122",
  number: "1234567890",
  askAt: billOffice,
};
const blockchain = "https://bcfp.shenzhen.chinatax.gov.cn/verify/scan?hash=00ab&bill_num=12345678";

describe("a QR code of the national platforms", () => {
  for (const [text, code] of [
    [`01,32,,${number},200.00,20251103,,ABCD`, national],
    [`01,32,,${number},200,20251103,,`, national],
    [`01,32,,${number},200.0,2025-11-03`, national],
    [`01，32，，${number}，200.00，20251103，，ABCD`, national],
    [` 01, 32, , ${number}, 200.00, 20251103, , ABCD,\n`, national],
    [`01,32,,${number}`, bare],
    [`01,32,,${number},?,20259999,,`, bare],
    [
      `01,51,,${number},272.50,20251103,,ABCD`,
      { ...national, title: "电子发票（铁路电子客票）", total: "272.50" },
    ],
    [
      `01,61,,${number},200,20251103,,`,
      { ...national, title: "电子发票（航空运输电子客票行程单）" },
    ],
    ["01,10,044031900111,12345678,88.00,20191231,12345678901234567890,ABCD", older],
    ["01,10,044031900111,12345678,88,20191231,12345678901234567890,0816,", older],
    [
      "01,04,3200151130,12345678,88.00,20191231,,",
      { ...older, code: "3200151130", title: "增值税普通发票" },
    ],
    [
      "01,01,3200151130,12345678,88.00,20191231,,",
      { ...older, code: "3200151130", title: "增值税专用发票" },
    ],
    ["01,06,00010122,1234567890", bill],
    [
      "01,06,00010122,1234567890,a1b2c3,20191231,88.00",
      { ...bill, date: "2019-12-31", total: "88.00" },
    ],
    [
      "01,06,00010122,1234567890,88.00,20191231,a1b2c3",
      { ...bill, date: "2019-12-31", total: "88.00" },
    ],
    [blockchain, { kind: "link", askAt: blockchain }],
    [blockchain.replace("https", "http"), { kind: "link", askAt: taxOffice }],
    ["https://pjcy.mof.gov.cn/x", { kind: "link", askAt: "https://pjcy.mof.gov.cn/x" }],
  ] as const)
    it(`is read: ${text.trim()}`, () => {
      const { title = undefined, ...others } = readNationalCode(text) ?? {};
      const { title: expected = undefined, ...rest } = code as NationalCode;
      expect(others).deep.equals(rest);
      expect(title).equals(expected);
    });

  it("is nothing when it is something else", () => {
    for (const text of [
      "",
      "hello",
      "01",
      "01,32",
      `02,32,,${number},200.00,20251103,,ABCD`,
      `01,xx,,${number},200.00,20251103,,ABCD`,
      "01,32,,1234567890123456789,200.00,20251103,,ABCD",
      "01,10,044031900111,1234567,88.00,20191231,,",
      "01,10,0440319001112,12345678,88.00,20191231,,",
      "https://example.org/verify/scan?hash=00ab",
      "https://chinatax.gov.cn.example.org/",
      "https://xchinatax.gov.cn/",
      "https://user:word@inv-veri.chinatax.gov.cn/",
      "javascript:alert(1)//.chinatax.gov.cn",
      `01,32,,${number},200.00,${"2".repeat(2_000)}`,
    ])
      expect(readNationalCode(text), text.slice(0, 60)).equals(undefined);
  });

  it("of any text is read or is nothing, and leads to an authority or nowhere", () => {
    const piece = fc.oneof(
      fc.constantFrom("01", ",", "，", "10", "32", number, "044031900111", "12345678", "https://"),
      fc.constantFrom("chinatax.gov.cn", ".", "/", "@", "\\", ":", "#", "?"),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const code = readNationalCode(pieces.join(""));
        if (code === undefined) return;
        const { protocol, hostname } = new URL(code.askAt);
        expect(protocol).equals("https:");
        expect(hostname).match(/(?:^|\.)(?:chinatax|mof)\.gov\.cn$/);
      }),
      { numRuns: 5_000 },
    );
  });
});
