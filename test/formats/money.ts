import {
  amountTimesRate,
  chineseFigures,
  formatMoney,
  moneyLimit,
  normaliseDecimal,
  normaliseMoney,
  parseMoney,
  percentToFraction,
  quantityTimesPrice,
  sameFigures,
} from "@onepiao/protocol/values/money.ts";
import { expect } from "chai";
import fc from "fast-check";

const cents = fc.bigInt({ min: -moneyLimit + 1n, max: moneyLimit - 1n });
const decimal = fc
  .record({
    units: fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }),
    scale: fc.integer({ min: 0, max: 12 }),
  })
  .map(({ units, scale }) => {
    const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
    const whole = digits.slice(0, digits.length - scale);
    return {
      units,
      scale,
      text: `${units < 0n ? "-" : ""}${whole}${scale === 0 ? "" : `.${digits.slice(-scale)}`}`,
    };
  })
  .filter(({ text }) => /^-?\d{1,13}(\.|$)/.test(text));

/** The model: long division, then a look at the remainder. */
function nearest(numerator: bigint, denominator: bigint): bigint {
  const remainder = numerator % denominator;
  const doubled = 2n * (remainder < 0n ? -remainder : remainder);
  return numerator / denominator + (doubled < denominator ? 0n : numerator < 0n ? -1n : 1n);
}

/** An own reader of Chinese figures: a digit at a time, sections of 万 and 亿. */
function readFigures(words: string): bigint {
  const negative = words.startsWith("（负数）");
  let section = 0n;
  let whole = 0n;
  let digit = 0n;
  let total = 0n;
  for (const sign of words.replace("（负数）", "")) {
    const value = "零壹贰叁肆伍陆柒捌玖".indexOf(sign);
    const unit = "拾佰仟".indexOf(sign);
    if (value >= 0) digit = BigInt(value);
    else if (unit >= 0) {
      section += digit * 10n ** BigInt(unit + 1);
      digit = 0n;
    } else if (sign === "万") {
      whole += (section + digit) * 10_000n;
      section = digit = 0n;
    } else if (sign === "亿") {
      whole = (whole + section + digit) * 100_000_000n;
      section = digit = 0n;
    } else if (sign === "圆") {
      total = (whole + section + digit) * 100n;
      digit = 0n;
    } else if (sign === "角" || sign === "分") {
      total += digit * (sign === "角" ? 10n : 1n);
      digit = 0n;
    }
  }
  return negative ? -total : total;
}

describe("money", () => {
  it("has one text for every amount", () => {
    fc.assert(fc.property(cents, (amount) => parseMoney(formatMoney(amount)) === amount));
    expect(formatMoney(113000n)).to.equal("1130.00");
    expect(formatMoney(-5n)).to.equal("-0.05");
    expect(parseMoney("1130.00")).to.equal(113000n);
  });
  it("is refused in any other text", () => {
    for (const text of [
      "",
      "1",
      "1.0",
      "1.000",
      "01.00",
      "+1.00",
      "-0.00",
      ".50",
      "1,130.00",
      "1e3",
      "１.００",
      "1.00 ",
      "1.00\n",
      "NaN",
      "10000000000000.00",
    ])
      expect(() => parseMoney(text), JSON.stringify(text)).to.throw(RangeError);
    expect(() => formatMoney(moneyLimit)).to.throw(RangeError);
  });
  it("in XML may leave decimals out", () => {
    expect(
      ["336.9", "120", "0", "-0", "+7.", "007.50", "-225.14"].map((text) => normaliseMoney(text)),
    ).to.deep.equal(["336.90", "120.00", "0.00", "0.00", "7.00", "7.50", "-225.14"]);
    expect(
      ["336.905", "", "1,5", "--1", "1e2", "0x10", "10000000000000"].map((text) =>
        normaliseMoney(text),
      ),
    ).to.deep.equal(Array(7).fill(undefined));
  });
  it("agrees with long division on every product of two decimals", () => {
    fc.assert(
      fc.property(
        decimal,
        decimal,
        (q, p) =>
          quantityTimesPrice(q.text, p.text) ===
          nearest(q.units * p.units * 100n, 10n ** BigInt(q.scale + p.scale)),
      ),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(cents, fc.integer({ min: 0, max: 1_000_000 }), (amount, millionths) => {
        const rate = `${Math.floor(millionths / 1_000_000)}.${String(millionths % 1_000_000).padStart(6, "0")}`;
        return amountTimesRate(amount, rate) === nearest(amount * BigInt(millionths), 1_000_000n);
      }),
      { numRuns: 500 },
    );
  });
  it("rounds half a cent away from zero, on both sides", () => {
    expect(quantityTimesPrice("1", "0.005")).to.equal(1n);
    expect(quantityTimesPrice("-1", "0.005")).to.equal(-1n);
    expect(quantityTimesPrice("1", "0.00499999")).to.equal(0n);
    expect(quantityTimesPrice("250", "38.40", "100")).to.equal(9600n);
    expect(amountTimesRate(250n, "0.13")).to.equal(33n);
  });
  it("never loses a digit of a quantity that a float would", () => {
    expect(quantityTimesPrice("9007199254740.993", "1")).to.equal(900719925474099n);
    expect(normaliseDecimal("15.929203540")).to.equal("15.92920354");
    expect(percentToFraction("6")).to.equal("0.06");
    expect(percentToFraction("19.6")).to.equal("0.196");
    expect(percentToFraction("100")).to.equal("1");
  });
});

describe("Chinese figures", () => {
  it("are those that invoices print", () => {
    expect(chineseFigures(20000n)).to.equal("贰佰圆整");
    expect(chineseFigures(11060641963n)).to.equal("壹亿壹仟零陆拾万陆仟肆佰壹拾玖圆陆角叁分");
    expect(chineseFigures(-297000n)).to.equal("（负数）贰仟玖佰柒拾圆整");
    expect(chineseFigures(50n)).to.equal("伍角整");
    expect(chineseFigures(0n)).to.equal("零圆整");
  });
  it("read back as the amount they were written from", () => {
    fc.assert(
      fc.property(cents, (amount) => readFigures(chineseFigures(amount)) === amount),
      { numRuns: 1000 },
    );
  });
  it("agree with their own amount and with no other", () => {
    fc.assert(fc.property(cents, (amount) => sameFigures(chineseFigures(amount), amount)));
    fc.assert(
      fc.property(
        cents,
        cents,
        (amount, other) => amount === other || !sameFigures(chineseFigures(amount), other),
      ),
    );
    fc.assert(
      fc.property(cents, fc.integer({ min: 0, max: 13 }), (amount, power) => {
        const other = amount > 0n ? amount - 10n ** BigInt(power) : amount + 10n ** BigInt(power);
        return !sameFigures(chineseFigures(amount), other);
      }),
    );
  });
  it("agree in every accepted spelling", () => {
    for (const words of ["贰佰元整", "贰佰圆正", "人民币贰佰元整", "贰佰圆"])
      expect(sameFigures(words, 20000n), words).to.equal(true);
    expect(sameFigures("负壹佰零伍元整", -10500n)).to.equal(true);
    expect(sameFigures("(负数)壹拾万零伍仟元整", -10500000n)).to.equal(true);
    expect(sameFigures("壹圆零伍分", 105n) && sameFigures("壹圆伍分", 105n)).to.equal(true);
  });
  it("disagree when the sign, a digit or the sense is missing", () => {
    expect(sameFigures("贰佰圆整", -20000n)).to.equal(false);
    expect(sameFigures("（负数）贰佰圆整", 20000n)).to.equal(false);
    expect(sameFigures("壹佰伍圆整", 10500n), "150 in speech, 105 by its digits").to.equal(false);
    for (const words of ["", "整", "零", "200.00", "圆佰贰"])
      expect(sameFigures(words, 20000n), words).to.equal(false);
    expect(sameFigures("", 0n)).to.equal(false);
  });
});
