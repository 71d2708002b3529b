/** The trade of an invoice: by classification code, by short name, by its greatest lines. */

import { type Trade, tradeOf, trades } from "@onepiao/protocol/formats/trade.ts";
import { expect } from "chai";

const line = (name: string, amount: string, taxCode?: string) => ({
  name,
  amount,
  taxRate: "0.06",
  ...(taxCode === undefined ? {} : { taxCode }),
});
const tradeFor = (...lines: ReturnType<typeof line>[]) => tradeOf({ lines: lines as never });

describe("the trade of an invoice", () => {
  for (const [name, code, trade] of [
    ["*餐饮服务*餐费", "3070401000000000000", "catering"],
    ["*住宿服务*住宿费", "3070402000000000000", "lodging"],
    ["*旅游服务*门票", "3070301000000000000", "travel"],
    ["*运输服务*客运服务费", "3010101020100000000", "transport"],
    ["*信息技术服务*软件服务费", "3040201000000000000", "it"],
    ["*文具*中性笔", "1060406000000000000", "office"],
    ["*蔬菜*番茄", "1010115010000000000", "farming"],
  ] as const) {
    it(`${name} is of ${trade}, by its code, and by its name alone`, () => {
      expect(tradeFor(line(name, "1.00", code))).equals(trade);
      expect(tradeFor(line(name, "1.00"))).equals(trade);
    });
  }

  it("the code goes before the name, and the longer beginning before the shorter", () => {
    expect(tradeFor(line("*餐饮服务*餐费", "1.00", "3070402000000000000"))).equals("lodging");
    expect(tradeFor(line("某物", "1.00", "1090511010000000000"))).equals("electronics");
    expect(tradeFor(line("某物", "1.00", "1090101000000000000"))).equals("machinery");
  });

  it("a code of another classification is not taken for one", () => {
    expect(tradeFor(line("*餐饮服务*餐费", "1.00", "50000000"))).equals("catering");
    expect(tradeFor(line("Beratung", "1.00", "3070401"))).equals("other");
  });

  it("what is not known is other, whatever stands between the asterisks", () => {
    expect(tradeFor(line("*不知道是什么*东西", "1.00"))).equals("other");
    expect(tradeFor(line("**", "1.00"))).equals("other");
    expect(tradeFor(line("*toString*", "1.00"))).equals("other");
    expect(tradeFor(line("*文具", "1.00", "9999999999999999999"))).equals("other");
  });

  it("the greatest lines decide; a discount weighs against its item; the first of equals", () => {
    expect(tradeFor(line("*餐饮服务*餐费", "60.00"), line("*住宿服务*房费", "100.00"))).equals(
      "lodging",
    );
    expect(
      tradeFor(
        line("*餐饮服务*餐费", "60.00"),
        line("*住宿服务*房费", "100.00"),
        line("*住宿服务*房费", "-50.00"),
      ),
    ).equals("catering");
    expect(tradeFor(line("*餐饮服务*餐费", "60.00"), line("*住宿服务*房费", "60.00"))).equals(
      "catering",
    );
    expect(tradeFor(line("*餐饮服务*餐费", "0.00"))).equals("catering");
  });

  it("a red letter is of the trade of what it takes back", () => {
    expect(tradeFor(line("*餐饮服务*餐费", "-60.00"), line("*文具*笔", "-100.00"))).equals(
      "office" satisfies Trade,
    );
    expect(trades).includes("other").and.not.includes("");
  });
});
