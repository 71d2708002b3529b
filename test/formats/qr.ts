/** The text of an invoice's QR code, and that a scanner reads it from the picture. */

import { dateOf, type QrContent, qrFields, qrText, readQr } from "@onepiao/protocol/formats/qr.ts";
import { expect } from "chai";
import fc from "fast-check";
import jsqr from "jsqr";
import { PNG } from "pngjs";
import { qrPng, qrSvg } from "../../server/drawing/qr-image.ts";

const url = "https://piao.example";
const secret = `0x${"0123456789abcdef".repeat(4)}`;
const content: QrContent = {
  number: "26442000000000000001",
  kind: "ordinary",
  gross: "200.00",
  date: "2026-11-03",
};

// its types say `default` is a member; at run time it is the module
const decode = jsqr as unknown as typeof jsqr.default;
async function scanned(text: string): Promise<string | undefined> {
  const { data, width, height } = PNG.sync.read(await qrPng(text));
  return decode(new Uint8ClampedArray(data), width, height)?.data;
}

describe("an invoice's QR code", () => {
  it("has the text of a 数电票 behind a link to the verify page", () => {
    expect(qrFields(content)).to.match(
      /^01,32,,26442000000000000001,200\.00,20261103,,[0-9A-F]{4}$/,
    );
    expect(qrFields({ ...content, kind: "special" })).to.match(/^01,31,/);
    expect(qrText(url, content)).to.equal(`${url}/verify#${qrFields(content)}`);
    expect(qrText(url, { ...content, pickup: secret })).to.match(/&pickup=[0-9a-f]{64}$/);
  });

  it("keeps everything behind the #, where no server sees it", () => {
    const { pathname, search } = new URL(qrText(url, { ...content, pickup: secret, proof: "a.b" }));
    expect([pathname, search]).to.deep.equal(["/verify", ""]);
  });

  it("is dated to the invoice's own day, wherever it was", () => {
    expect(dateOf({ issuedAt: "2026-11-03T23:30:00-05:00" })).to.equal("2026-11-03");
  });

  it("read again, is what was written", () => {
    const contents = fc.record(
      {
        number: fc.stringMatching(/^\d{20}$/),
        kind: fc.constantFrom("ordinary" as const, "special" as const),
        gross: fc.bigInt({ min: -(10n ** 15n) + 1n, max: 10n ** 15n - 1n }).map((cents) => {
          const digits = (cents < 0n ? -cents : cents).toString().padStart(3, "0");
          return `${cents < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
        }),
        date: fc
          .date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
          .map((date) => date.toISOString().slice(0, 10)),
        pickup: fc.stringMatching(/^0x[0-9a-f]{64}$/),
        proof: fc.stringMatching(/^[A-Za-z0-9_.-]{1,300}$/),
      },
      { requiredKeys: ["number", "kind", "gross", "date"] },
    );
    fc.assert(
      fc.property(contents, (content) => {
        expect(readQr(qrText(url, content))).to.deep.equal(content);
      }),
    );
  });

  it("of a 数电票 issued elsewhere is read by its fields, whatever its check value", () => {
    expect(readQr("01,31,,26112000000000700004,2970.00,20261109,,9D5F")).to.deep.equal({
      number: "26112000000000700004",
      kind: "special",
      gross: "2970.00",
      date: "2026-11-09",
    });
  });

  it("is nothing when it is something else", () => {
    const good = qrFields(content);
    for (const text of [
      "",
      "https://piao.example/verify",
      `javascript:alert(1)#${good}`,
      good.replace("01,", "02,"),
      good.replace(",32,", ",10,"),
      good.replace("200.00", "200"),
      good.replace("20261103", "20261303"),
      good.replace("26442000000000000001", "2644200000000000001"),
      `${good},more`,
      `${url}/verify#${good}${"&x".repeat(4000)}`,
    ])
      expect(readQr(text), text.slice(0, 60)).to.equal(undefined);
    // a secret or a proof of another shape is not taken for one
    expect(readQr(`${url}/verify#${good}&pickup=0x12&proof=<b>&unknown=1`)).to.deep.equal(content);
    fc.assert(fc.property(fc.string(), (text) => readQr(text) === undefined));
  });

  it("is read from its picture, with a pickup's secret and a proof in it", async () => {
    for (const more of [{}, { pickup: secret }, { pickup: secret, proof: "x".repeat(400) }]) {
      const text = qrText(url, { ...content, ...more });
      expect(await scanned(text)).to.equal(text);
    }
  });

  it("is the same picture each time, as SVG too", async () => {
    const text = qrText(url, content);
    expect((await qrPng(text)).equals(await qrPng(text))).to.equal(true);
    expect(await qrSvg(text))
      .to.match(/^<svg /)
      .and.not.include("<script");
  });
});
