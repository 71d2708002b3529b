/**
 * Invoices as PDF: the texts on the pages, the attachments, and that no document, however odd,
 * breaks them.
 */

import type { InvoiceDocument } from "@onepiao/protocol/formats/document.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { chineseFigures, parseMoney } from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";
import { type PdfParts, writePdf } from "../../server/drawing/pdf.ts";
import { form, layOut } from "../../server/drawing/pdf-page.ts";
import { linesOf, missing, shown, widthOf } from "../../server/drawing/pdf-text.ts";
import { readPdf } from "./pdf-reader.ts";
import { good, load, samplesRoot } from "./samples.ts";

const number = "26442000000000000042";
const seal = {
  lot: "26442000000000000040",
  root: `0x${"ab".repeat(32)}`,
  sealedAt: "2026-11-03T04:31:09Z",
  network: "test-network",
  ledger: `0x${"cd".repeat(20)}`,
};
const parts: PdfParts = {
  qr: "https://piao.example/verify#01",
  verifyAt: "https://piao.example/verify",
  seal,
  reversed: false,
};
const sample = (name: string): InvoiceDocument => {
  const { mediaType, body } = load(samplesRoot, name);
  return readInvoice(mediaType, body).document;
};
const pagesOf = async (
  document: InvoiceDocument,
  more: Partial<PdfParts> = {},
  reverses?: string,
) => readPdf(await writePdf(document, { number, reverses }, { ...parts, ...more }));
/** All texts in one, without line breaks. */
const plain = (pages: string[][]) => pages.flat().join("").replace(/\s/g, "");
const bare = (text: string) => shown(text).text.replace(/\s/g, "");

const line = {
  name: "*餐饮服务*餐费",
  unit: "次",
  quantity: "1",
  unitPrice: "188.68",
  amount: "188.68",
  taxRate: "0.06",
  tax: "11.32",
};
const invoice = (more: Partial<InvoiceDocument> = {}): InvoiceDocument => ({
  kind: "ordinary",
  issuedAt: "2026-11-03T12:31:07+08:00",
  currency: "CNY",
  seller: { taxId: "91440305MA4JURQ28R", name: "深圳市南山区巷口面馆有限公司" },
  buyer: { taxId: "91440300MAJU6XYHXC", name: "深圳市远航精密制造有限公司" },
  lines: [line],
  totals: { net: "188.68", tax: "11.32", gross: "200.00" },
  ...more,
});

describe("an invoice as PDF", () => {
  for (const folder of ["json", "shudian", "ubl"] as const) {
    for (const { name, mediaType, body } of good(folder)) {
      it(`says everything that ${name} says`, async () => {
        const { document } = readInvoice(mediaType, body);
        const { pages } = await pagesOf(document, {}, document.reverses && "26442000000000000041");
        const text = plain(pages);
        const { seller, buyer, totals, lines, passengers = [] } = document;
        const expected = [
          number,
          seller.name,
          seller.taxId,
          buyer.name,
          buyer.taxId,
          totals.net,
          totals.tax,
          totals.gross,
          chineseFigures(parseMoney(totals.gross)),
          document.remark,
          document.sourceId,
          document.drawer && `开票人：${document.drawer}`,
          ...lines.flatMap((each) => [
            each.name,
            each.spec,
            each.quantity,
            each.unitPrice,
            each.amount,
            each.description,
            each.note,
          ]),
          ...passengers.flatMap((each) => Object.values(each)),
          ...(document.allowances ?? []).flatMap((each) => [each.reason, each.amount]),
          ...(document.reverses ? ["红字发票", "被红冲蓝字发票号码：26442000000000000041"] : []),
        ];
        for (const each of expected) if (each !== undefined) expect(text).to.include(bare(each));
        expect(text).to.not.include("\0");
      });
    }
  }

  it("has the title of its kind, the day it is dated to, and who verifies it where", async () => {
    const { pages, title, author } = await pagesOf(invoice({ kind: "special" }));
    expect(pages[0]).to.include.members([
      "电子发票（增值税专用发票）",
      "2026年11月03日",
      "扫码查验",
    ]);
    expect([title, author]).to.deep.equal([
      `电子发票（增值税专用发票） ${number}`,
      "深圳市南山区巷口面馆有限公司",
    ]);
    expect(plain(pages))
      .to.include(`根${seal.root}`)
      .and.include("https://piao.example/verify")
      .and.include("OnePiao");
    expect((await pagesOf(invoice())).pages[0]).to.include("电子发票（普通发票）");
  });

  it("says on its face that it is not sealed, or was taken back", async () => {
    expect((await pagesOf(invoice(), { seal: undefined })).pages[0]).to.include.members([
      "未签章",
      "待签章",
    ]);
    expect((await pagesOf(invoice(), { reversed: true })).pages[0]).to.include("已红冲");
    expect(plain((await pagesOf(invoice())).pages)).to.not.match(/未签章|待签章|已红冲/);
  });

  it("can be searched for words that are set in ligatures", async () => {
    const { pages } = await pagesOf(
      invoice({ remark: "Pflichtenheft, Office, effizient finden; 合同ﬁ" }),
    );
    expect(plain(pages)).to.include("Pflichtenheft,Office,effizientfinden;合同");
  });

  it("owes nothing to those that were drawn before: each keeps its own text for a glyph that they share, and its bytes", async () => {
    // three characters that are one glyph, and a ligature
    const texts = ["阿卜杜·热合曼 finden", "阿卜杜•热合曼 ﬁnden", "阿卜杜・热合曼 Pflicht"];
    const draw = (remark: string) => writePdf(invoice({ remark }), { number }, parts);
    const drawn: Buffer[] = [];
    for (const text of texts) drawn.push(await draw(text));
    for (const [at, text] of texts.entries()) {
      expect(plain((await readPdf(drawn[at] as Buffer)).pages)).to.include(bare(text));
      expect(
        (await draw(text)).equals(drawn[at] as Buffer),
        `${text}: the same bytes again`,
      ).to.equal(true);
    }
  });

  it("has one text for one glyph, whichever of its characters comes first", async () => {
    const { pages } = await pagesOf(invoice({ remark: "⼯⼈ ﬁnden ﬂach 工人 finden flach" }));
    expect(plain(pages)).to.include("工人findenflach工人findenflach");
  });

  it("has its bundle inside, byte for byte, and nothing when there is none", async () => {
    const bundle = JSON.stringify({ number, 名称: "票据包" });
    expect([
      ...(await pagesOf(invoice(), { bundle: Buffer.from(bundle) })).attachments,
    ]).to.deep.equal([["bundle.json", bundle]]);
    expect((await pagesOf(invoice())).attachments.size).to.equal(0);
  });

  it("is the same bytes for the same input", async () => {
    const bundle = Buffer.from("{}");
    const [first, other] = await Promise.all([
      writePdf(invoice(), { number }, { ...parts, bundle }),
      writePdf(invoice(), { number }, { ...parts, bundle }),
    ]);
    expect(first.equals(other)).to.equal(true);
    expect(first.subarray(0, 8).toString()).to.equal("%PDF-1.7");
    expect(first.length).to.be.below(60_000);
  });

  it("with forty lines is several pages of the same size, with 小计, page numbers and the head again", async () => {
    const { pages, sizes } = await pagesOf(sample("shudian/08-office-forty-lines.xml"));
    expect(pages.length).to.be.within(2, 5);
    expect(new Set(sizes.map(String)).size).to.equal(1);
    for (const [at, page] of pages.entries()) {
      expect(page).to.include.members([
        "项目名称",
        "税额",
        number,
        `第 ${at + 1} 页　共 ${pages.length} 页`,
      ]);
      expect(page.includes("小　　　计")).to.equal(at < pages.length - 1);
      expect(page.includes("合　　　计")).to.equal(at === pages.length - 1);
    }
    const subtotals = pages
      .map((page) => page.indexOf("小　　　计"))
      .flatMap((at, index) => (at < 0 ? [] : [parseMoney(pages[index]?.[at + 1] ?? "")]));
    const lastRows = sample("shudian/08-office-forty-lines.xml").lines.filter(({ spec }) =>
      pages.at(-1)?.includes(spec ?? ""),
    );
    const rest = lastRows.reduce((sum, { amount }) => sum + parseMoney(amount), 0n);
    expect(subtotals.reduce((sum, each) => sum + each, rest)).to.equal(parseMoney("5986.00"));
  });

  it("of another currency names it, in figures and in words; tax that is not due has no amount", async () => {
    const euro = await pagesOf(invoice({ currency: "EUR" }));
    expect(plain(euro.pages))
      .to.include("EUR200.00")
      .and.include("欧元贰佰圆整")
      .and.not.include("¥");
    const free = invoice({
      lines: [{ ...line, taxRate: "免税", tax: "0.00" }],
      totals: { net: "188.68", tax: "0.00", gross: "188.68" },
    });
    expect((await pagesOf(free)).pages[0]).to.include.members(["免税", "***", "¥0.00"]);
  });

  it("shows a character that is not in the font as its plain letter or as 〓, and says so", async () => {
    const { pages } = await pagesOf(
      invoice({
        seller: { taxId: "PL1234567890", name: "Żółć 😀 𠮷野家 \u202eab\u0301" },
        remark: "ก\u200d\ufe0f\u{10ffff}\tx",
      }),
    );
    const text = plain(pages);
    expect(text).to.include(`Zólc${missing}${missing}野家`);
    expect(text).to.include("以〓或近似字母代替");
    expect(text).to.not.include("\0");
    expect(plain((await pagesOf(invoice())).pages)).to.not.include(missing);
  });

  it("of two thousand lines has every one of them, on A4, and lets other work between", async function () {
    this.timeout(120_000);
    const lines = Array.from({ length: 2000 }, (_, at) => ({
      ...line,
      name: `*餐饮服务*餐费 ${at}`,
      note: at % 100 === 0 ? "说明 ".repeat(300) : undefined,
    }));
    let turns = 0;
    using _timer = setInterval(() => {
      turns += 1;
    }, 1);
    const { pages, sizes } = await pagesOf(
      invoice({
        lines: JSON.parse(JSON.stringify(lines)) as typeof lines as InvoiceDocument["lines"],
      }),
    );
    const names = pages.flat().filter((text) => text.startsWith("*餐饮服务*餐费 "));
    expect(names).to.deep.equal(lines.map(({ name }) => name));
    expect(sizes[0]?.[1]).to.equal(841.89);
    expect(turns).to.be.above(10);
  });

  it("holds texts of the greatest length that a document may have, and cuts none", async () => {
    const long = invoice({
      seller: {
        taxId: "91440305MA4JURQ28R",
        name: "卖".repeat(300),
        address: "地".repeat(600),
        bankName: "银".repeat(200),
        bankAccount: "6".repeat(100),
      },
      buyer: { name: "M".repeat(300), address: "路 ".repeat(300) },
      lines: [
        {
          ...line,
          name: "货".repeat(300),
          spec: "W".repeat(200),
          quantity: `-${"9".repeat(13)}.${"1".repeat(20)}`,
          unitPrice: `${"8".repeat(13)}.${"2".repeat(20)}`,
          amount: "-9999999999999.99",
          description: "Donau".repeat(400),
          note: "释\n".repeat(1000),
        },
      ],
      remark: "记".repeat(4000),
      totals: { net: "-9999999999999.99", tax: "-9999999999999.99", gross: "-9999999999999.99" },
      passengers: [{ traveller: "张".repeat(200), idNumber: "1".repeat(100) }],
    });
    const text = plain((await pagesOf(long)).pages);
    for (const [character, count] of [
      ["货", 300],
      ["释", 1000],
      ["记", 4000],
      ["张", 200],
      ["W", 200],
    ] as const)
      expect([character, text.split(character).length - 1]).to.deep.equal([character, count]);
    expect(text).to.include("¥-9999999999999.99");
  });

  it("keeps to its pages: whatever the texts, nothing stands past the frame", async () => {
    const text = (max: number) =>
      fc.string({
        unit: fc.constantFrom("票", "W", "i", " ", "，", "（", "-", "1", "\n", "é", "😀"),
        minLength: 1,
        maxLength: max,
      });
    const documents = fc.record({
      lines: fc.array(
        fc.record({
          name: text(80),
          spec: text(60),
          unit: text(10),
          note: text(400),
          amount: fc.constantFrom("1.00", "-9999999999999.99"),
        }),
        {
          minLength: 1,
          maxLength: 30,
        },
      ),
      remark: text(1500),
      name: text(200),
    });
    await fc.assert(
      fc.asyncProperty(documents, async ({ lines, remark, name }) => {
        const document = invoice({
          lines: lines.map((each) => ({ ...line, ...each })),
          remark,
          seller: { taxId: "91440305MA4JURQ28R", name },
        });
        const { layout } = await layOut(document, { number });
        expect(layout.pages.filter((page) => page.totals)).to.have.length(1);
        for (const [at, page] of layout.pages.entries()) {
          const top =
            at === 0
              ? form.firstTop + layout.party.height
              : form.nextTop + page.parties.reduce((sum, strip) => sum + strip.height, 6);
          const tail = page.totals ? form.sum + form.wordsRow : 0;
          const strips = [...page.rows, ...(page.remark ?? [])];
          const used = strips.reduce(
            (sum, strip) => sum + strip.height,
            top + form.columns * Number(page.totals || page.subtotal !== undefined) + tail,
          );
          expect(used).to.be.at.most(layout.height - form.foot);
          for (const piece of strips.flatMap((strip) => strip.pieces)) {
            expect(widthOf(piece.text, piece.size)).to.be.at.most(
              Math.max(piece.width, piece.size) + 0.001,
            );
            expect(piece.x + piece.width).to.be.at.most(form.width);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("lines of text", () => {
  it("keep words and numbers whole where they fit, and closing marks off a line's start", () => {
    expect(linesOf("深圳市远航精密制造有限公司", 50, 8).every((each) => each.length <= 6)).to.equal(
      true,
    );
    expect(linesOf("one twofold three", 50, 8)).to.deep.equal(["one twofold", "three"]);
    for (const each of linesOf("甲乙丙丁，戊己庚辛。".repeat(20), 41, 8))
      expect(each).to.not.match(/^[，。]/);
    expect(linesOf("a\n\nb\n", 50, 8)).to.deep.equal(["a", "", "b"]);
    expect(linesOf(" \n ", 50, 8)).to.deep.equal([]);
  });

  it("lose only blanks, and keep within the width", () => {
    const text = fc.string({
      unit: fc.constantFrom("票", "W", "i", " ", "，", "（", "-", "1", "\n", "é"),
      maxLength: 300,
    });
    fc.assert(
      fc.property(text, fc.integer({ min: 10, max: 200 }), (input, width) => {
        const lines = linesOf(input, width, 8);
        expect(lines.join("").replace(/\s/g, "")).to.equal(input.replace(/\s/g, ""));
        for (const each of lines) expect(widthOf(each, 8)).to.be.at.most(width);
      }),
    );
  });
});
