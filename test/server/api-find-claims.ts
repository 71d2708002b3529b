/**
 * Finding claims in the list, and what they amount to: by invoice, by day, by state; each party
 * among its own alone.
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
   * Claims in the order in which they were made: two invoices, one, and one that was issued
   * elsewhere.
   */
  let [first, second, third] = ["", "", ""];
  let [lunch, taxi, dinner, elsewhere] = ["", "", "", ""];

  const ask = (by: { token: string }, query: string) =>
    call("GET", `/v1/claims?${query}`, undefined, { token: by.token });
  const found = async (by: { token: string }, query: string): Promise<string[]> =>
    (await must(ask(by, query))).items.map((one: Loose) => one.id);
  const claim = async (invoices: string[], from: TestParty): Promise<string> =>
    (
      await must(
        call("POST", "/v1/claims", { employer: from.taxId, invoices }, { token: ann.token }),
      )
    ).id;
  /** When each was made, and a moment after the last: as China writes it. */
  let made: string[] = [];
  const at = (n: number) => encodeURIComponent(made[n] as string);
  const readsOf = async (number: string): Promise<string[]> => {
    const { items } = await must(
      call("GET", `/v1/invoices/${number}/reads`, undefined, { token: ann.token }),
    );
    return items.filter((one: Loose) => one.account === firm.account).map((one: Loose) => one.form);
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
    // 53.00 of the 200.00 are taken back before it is claimed
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
    const times = items.map((one) => Date.parse(one.createdAt));
    expect(items.map((one) => one.id)).deep.equals([first, second, third]);
    made = [...times, (times[2] as number) + 1].map((time) =>
      new Date(time + 8 * 3_600_000).toISOString().replace("Z", "+08:00"),
    );
  });

  it("a claim says what it amounts to, after red letters, and that is a reading of its invoices", async () => {
    const amounts = async (by: { token: string }) =>
      (await must(ask(by, "limit=100"))).items.map((one: Loose) => [one.id, one.amounts]);
    const mine = [
      [third, [{ currency: "USD", gross: "200.00" }]],
      [second, [{ currency: "CNY", gross: "200.00" }]],
      [first, [{ currency: "CNY", gross: "347.00" }]],
    ];
    expect(await readsOf(lunch)).deep.equals([]);
    expect(await amounts(ann)).deep.equals(mine);
    expect(await amounts(firm)).deep.equals([mine[0], mine[2]]);
    expect(await readsOf(lunch)).deep.equals(["list"]);
    expect(
      (await must(call("GET", `/v1/claims/${first}`, undefined, { token: firm.token }))).amounts,
    ).deep.equals([{ currency: "CNY", gross: "347.00" }]);
  });

  it("by invoice: a number, an external invoice's id, or its original's number with the seller", async () => {
    expect(await found(ann, `invoice=${lunch}`)).deep.equals([first]);
    expect(await found(ann, `invoice=${dinner}`)).deep.equals([second]);
    expect(await found(firm, `invoice=${taxi}`)).deep.equals([first]);
    for (const by of [ann, firm]) {
      expect(await found(by, `invoice=${elsewhere}`)).deep.equals([third]);
      expect(await found(by, `invoice=wd-7&seller=${seller.taxId.toLowerCase()}`)).deep.equals([
        third,
      ]);
    }
    expect(await found(ann, `invoice=WD-7&seller=${freshTaxId()}`)).deep.equals([]);
    expect(
      await found(ann, `invoice=${lunch}&seller=${seller.taxId}`),
      "a number is one with a seller as well",
    ).deep.equals([first]);
    expect(await found(ann, `invoice=${lunch}&status=reimbursed`)).deep.equals([]);
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

  it("by time: from is in it, to is not; pages hold within it", async () => {
    expect(await found(ann, `from=${at(0)}&to=${at(3)}`)).deep.equals([third, second, first]);
    expect(await found(ann, `from=${at(1)}&to=${at(2)}`)).deep.equals([second]);
    expect(await found(ann, `to=${at(1)}`), "to the millisecond").deep.equals([first]);
    expect(await found(ann, `from=${at(0)}&to=${at(3)}&limit=1&before=${third}`)).deep.equals([
      second,
    ]);
    expect(
      await found(ann, "from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z"),
      "any time",
    ).deep.equals([third, second, first]);
    refused(await ask(ann, `from=${at(1)}&to=${at(1)}`), "invalid-request", {
      field: "?from",
      rule: "before-to",
    });
    expect((await ask(ann, "from=yesterday")).status).equals(422);
  });

  it("never another party's, whatever is asked for", async () => {
    expect(await found(other, `invoice=${lunch}`)).deep.equals([]);
    expect(await found(other, `invoice=WD-7&seller=${seller.taxId}`)).deep.equals([]);
    expect(await found(firm, `invoice=${dinner}`)).deep.equals([]);
    expect(await found(other, `from=${at(0)}&to=${at(3)}`)).deep.equals([second]);
    expect(await found(shop, `invoice=${lunch}`)).deep.equals([]);
  });
});
