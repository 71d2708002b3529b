/**
 * Claims in the list and their amounts: by invoice, by day, by state; each party finds only its
 * own.
 */
import { expect } from "chai";
import {
  call,
  freshTaxId,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { refused } from "./observe.ts";

describe("finding claims", () => {
  let [shop, firm, other] = [] as unknown as [TestParty, TestParty, TestParty];
  let ann: { account: string; token: string };
  const seller = { taxId: freshTaxId(), name: "外地商店" };
  /**
   * Claims in the order of their creation: of two invoices, of one, and of one external invoice.
   */
  let [first, second, third] = ["", "", ""];
  let [lunch, taxi, dinner, elsewhere] = ["", "", "", ""];

  const ask = (by: { token: string }, query: string) =>
    call("GET", `/v1/claims?${query}`, undefined, { token: by.token });
  const idsFor = async (by: { token: string }, query: string): Promise<string[]> =>
    (await must(ask(by, query))).items.map((item: Loose) => item.id);
  const claim = async (invoices: string[], from: TestParty): Promise<string> =>
    (
      await must(
        call("POST", "/v1/claims", { employer: from.taxId, invoices }, { token: ann.token }),
      )
    ).id;
  /** The time of each claim, and a moment after the last, in China's time zone. */
  let made: string[] = [];
  const at = (n: number) => encodeURIComponent(made[n] as string);
  const readsOf = async (number: string): Promise<string[]> => {
    const { items } = await must(
      call("GET", `/v1/invoices/${number}/reads`, undefined, { token: ann.token }),
    );
    return items
      .filter((item: Loose) => item.account === firm.account)
      .map((item: Loose) => item.form);
  };

  before(async () => {
    [shop, firm, other] = await Promise.all([
      taxpayer("食堂", ["issuer"]),
      taxpayer("仪器公司", ["employer"]),
      taxpayer("另一公司", ["employer"]),
    ]);
    ann = await person(firm, "周敏");
    [lunch, taxi, dinner] = (await Promise.all(
      [1, 2, 3].map(() => issued(shop, { name: "个人" }, { holder: ann.account })),
    )) as [string, string, string];
    // a red letter takes 53.00 off the 200.00 before the claim
    await must(
      call(
        "POST",
        `/v1/invoices/${taxi}/red-letters`,
        { reason: 4, lines: [{ line: 1, amount: "50.00" }] },
        { token: shop.token },
      ),
    );
    first = await claim([lunch, taxi].sort(), firm);
    second = await claim([dinner], other);
    const external = invoiceOf(seller, firm, { sourceId: "WD-7", currency: "USD" });
    const registered = await must(
      call("POST", `/v1/external-invoices?holder=${ann.account}`, external, { token: firm.token }),
    );
    [third, elsewhere] = [registered.claim.id, registered.id];
    const items: Loose[] = (await must(ask(ann, "limit=100"))).items.reverse();
    const times = items.map((item) => Date.parse(item.createdAt));
    expect(items.map((item) => item.id)).deep.equals([first, second, third]);
    made = [...times, (times[2] as number) + 1].map((time) =>
      new Date(time + 8 * 3_600_000).toISOString().replace("Z", "+08:00"),
    );
  });

  it("a claim shows its amounts after red letters, and that counts as a read of its invoices", async () => {
    const amounts = async (by: { token: string }) =>
      (await must(ask(by, "limit=100"))).items.map((item: Loose) => [item.id, item.amounts]);
    const amountsOfAnn = [
      [third, [{ currency: "USD", gross: "200.00", payable: "200.00" }]],
      [second, [{ currency: "CNY", gross: "200.00", payable: "200.00" }]],
      [first, [{ currency: "CNY", gross: "347.00", payable: "347.00" }]],
    ];
    expect(await readsOf(lunch)).deep.equals([]);
    expect(await amounts(ann)).deep.equals(amountsOfAnn);
    expect(await amounts(firm)).deep.equals([amountsOfAnn[0], amountsOfAnn[2]]);
    expect(await readsOf(lunch)).deep.equals(["list"]);
    expect(
      (await must(call("GET", `/v1/claims/${first}`, undefined, { token: firm.token }))).amounts,
    ).deep.equals([{ currency: "CNY", gross: "347.00", payable: "347.00" }]);
  });

  it("by invoice: a number, an external invoice's id, or its original's number with the seller", async () => {
    expect(await idsFor(ann, `invoice=${lunch}`)).deep.equals([first]);
    expect(await idsFor(ann, `invoice=${dinner}`)).deep.equals([second]);
    expect(await idsFor(firm, `invoice=${taxi}`)).deep.equals([first]);
    for (const by of [ann, firm]) {
      expect(await idsFor(by, `invoice=${elsewhere}`)).deep.equals([third]);
      expect(await idsFor(by, `invoice=wd-7&seller=${seller.taxId.toLowerCase()}`)).deep.equals([
        third,
      ]);
    }
    expect(await idsFor(ann, `invoice=WD-7&seller=${freshTaxId()}`)).deep.equals([]);
    expect(
      await idsFor(ann, `invoice=${lunch}&seller=${seller.taxId}`),
      "a number is one with a seller as well",
    ).deep.equals([first]);
    expect(await idsFor(ann, `invoice=${lunch}&status=reimbursed`)).deep.equals([]);
    for (const text of ["WD-7", "12", "0x12"])
      refused(await ask(ann, `invoice=${text}`), "invalid-request", {
        field: "?invoice",
        rule: "invoice-name",
      });
    refused(await ask(ann, `seller=${seller.taxId}`), "invalid-request", {
      field: "?seller",
      rule: "seller-with-invoice",
    });
    expect((await ask(ann, "invoice=")).status).equals(422);
    expect((await ask(ann, `invoice=${lunch}&seller=XX`)).status).equals(422);
  });

  it("by time: from is inclusive, to exclusive; pages stay within the range", async () => {
    expect(await idsFor(ann, `from=${at(0)}&to=${at(3)}`)).deep.equals([third, second, first]);
    expect(await idsFor(ann, `from=${at(1)}&to=${at(2)}`)).deep.equals([second]);
    expect(await idsFor(ann, `to=${at(1)}`), "to the millisecond").deep.equals([first]);
    expect(await idsFor(ann, `from=${at(0)}&to=${at(3)}&limit=1&before=${third}`)).deep.equals([
      second,
    ]);
    expect(
      await idsFor(ann, "from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z"),
      "any time",
    ).deep.equals([third, second, first]);
    refused(await ask(ann, `from=${at(1)}&to=${at(1)}`), "invalid-request", {
      field: "?from",
      rule: "before-to",
    });
    expect((await ask(ann, "from=yesterday")).status).equals(422);
  });

  it("no query finds another party's claim", async () => {
    expect(await idsFor(other, `invoice=${lunch}`)).deep.equals([]);
    expect(await idsFor(other, `invoice=WD-7&seller=${seller.taxId}`)).deep.equals([]);
    expect(await idsFor(firm, `invoice=${dinner}`)).deep.equals([]);
    expect(await idsFor(other, `from=${at(0)}&to=${at(3)}`)).deep.equals([second]);
    expect(await idsFor(shop, `invoice=${lunch}`)).deep.equals([]);
  });
});
