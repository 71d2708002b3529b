/**
 * Pickup over HTTP: untitled invoices without a named holder, and how the bearer of the secret
 * takes them over.
 */

import { readQr } from "@onepiao/protocol/formats/qr.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  ownKey,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, record, refused, until, untilStatus } from "./observe.ts";
import { moveOut } from "./support/gateway-process.ts";

type Holder = { account: string; token: string };
type Pickup = { number: string; secret: string };

describe("pickups over HTTP", () => {
  let shop: TestParty;
  let firm: TestParty;
  let ann: Holder;
  let bob: Holder;

  const issue = (
    buyer: { taxId?: string; name: string },
    more: Record<string, unknown> = {},
    options: { key?: string; wait?: number } = {},
  ): Promise<Reply> =>
    call("POST", "/v1/invoices", invoiceOf(shop, buyer, more), { token: shop.token, ...options });
  /** Issues the red letter of an untitled invoice. */
  const reverse = (number: string): Promise<Reply> =>
    issue(
      { name: "个人" },
      {
        lines: [
          {
            name: "*餐饮服务*餐费",
            unit: "次",
            quantity: "-1",
            unitPrice: "188.68",
            amount: "-188.68",
            taxRate: "0.06",
            tax: "-11.32",
          },
        ],
        totals: { net: "-188.68", tax: "-11.32", gross: "-200.00" },
        reverses: { number },
      },
    );
  /** A sealed invoice that waits to be picked up. */
  const waiting = async (): Promise<Pickup> => (await must(issue({ name: "个人" }))).pickup;
  const take = (
    by: { token: string },
    pickup: unknown,
    options: { key?: string; wait?: number } = {},
  ): Promise<Reply> => call("POST", "/v1/pickups", pickup, { token: by.token, ...options });
  const shown = (number: string, by: { token: string }): Promise<Reply> =>
    call("GET", `/v1/invoices/${number}/pickup`, undefined, { token: by.token });
  const operation = async (href: string, by: { token: string }): Promise<Loose> =>
    (await call("GET", href, undefined, { token: by.token })).body;
  const pickupAccount = ({ secret }: Pickup): string => new Wallet(secret).address;
  const wrong = (): string => Wallet.createRandom().privateKey;

  /** Signs the operation that waits for this key. */
  async function sign(
    href: string,
    by: Holder,
    wallet: { signTypedData: Wallet["signTypedData"] },
  ): Promise<void> {
    const { domain, types, message } = await until(
      "the operation waits for the signature",
      async () => (await operation(href, by)).typedData,
    );
    await must(
      call(
        "POST",
        `${href}/signatures`,
        { signature: await wallet.signTypedData(domain, types, message) },
        { token: by.token },
      ),
    );
  }

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("便利店", ["issuer"]),
      taxpayer("雇主公司", ["employer"]),
    ]);
    [ann, bob] = await Promise.all([person(firm, "安"), person(firm, "波")]);
  });

  it("the issuer gets the secret with the answer, before and after the seal, and again while the invoice waits", async () => {
    const key = crypto.randomUUID();
    const first = await issue({ name: "个人" }, {}, { key, wait: 0 });
    const { number, pickup } = first.body;
    expect(pickup.number).equals(number);
    expect(pickup.secret).matches(/^0x[0-9a-f]{64}$/);
    await untilStatus(number, "issued");
    const sealed = await issue({ name: "个人" }, {}, { key });
    expect([first.status, sealed.status, sealed.body.pickup]).deep.equals([202, 201, pickup]);
    expect(sealed.headers.get("idempotency-replayed")).equals("true");
    const again = await shown(number, shop);
    const { url, ...same } = again.body;
    expect([again.status, same, readQr(url)?.pickup]).deep.equals([200, pickup, pickup.secret]);
    expect(
      (await call("GET", `/v1/invoices/${number}`, undefined, { token: shop.token })).body.holder,
    ).equals(pickupAccount(pickup));
  });

  it("the bearer of the secret takes the invoice over, and any employer reimburses it", async () => {
    const pickup = await waiting();
    const { number } = pickup;
    refused(
      await call("GET", `/v1/invoices/${number}`, undefined, { token: ann.token }),
      "not-found",
    );
    const taken = await take(ann, pickup);
    expect(
      [taken.status, taken.body.number, taken.body.holder],
      JSON.stringify(taken.body),
    ).deep.equals([200, number, ann.account]);
    expect(await record(number)).deep.equals({
      holder: ann.account,
      employer: 0,
      state: "issued",
      titled: false,
      version: 1,
    });

    refused(await take(bob, pickup), "already-taken-over");
    expect(refused(await take(ann, pickup), "already-taken-over")["original"]).deep.equals({
      number,
      state: "issued",
    });
    expect(refused(await shown(number, shop), "already-taken-over")["original"]).deep.equals({
      number,
      state: "issued",
    });

    const { id } = await must(
      call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [number] },
        { token: ann.token },
      ),
    );
    expect(
      (await must(call("POST", `/v1/claims/${id}/reimburse`, undefined, { token: firm.token })))
        .status,
    ).equals("reimbursed");
    expect(refused(await take(bob, pickup), "already-taken-over")["original"]).deep.equals({
      number,
      state: "reimbursed",
    });
    expect(await record(number)).deep.includes({
      holder: ann.account,
      state: "reimbursed",
      version: 3,
    });
  });

  it("the feed has it as a transfer from the pickup key's account, and the issuer does not get the event", async () => {
    const pickup = await waiting();
    await must(take(ann, pickup));
    const history = (
      await call("GET", `/v1/invoices/${pickup.number}/history`, undefined, { token: ann.token })
    ).body.items;
    expect(history.map(({ type }: { type: string }) => type)).deep.equals([
      "invoice.issued",
      "invoice.transferred",
    ]);
    expect(history[1].data).deep.equals({ from: pickupAccount(pickup), to: ann.account });
    const [row] = await (await database())<{ accounts: string[] }[]>`
      select accounts from feed where number = ${pickup.number} and type = 'invoice.transferred'`;
    expect(row?.accounts).deep.equals([pickupAccount(pickup), ann.account]);
  });

  it("a taxpayer takes over like a person", async () => {
    const pickup = await waiting();
    expect((await take(firm, pickup)).status).equals(200);
    expect((await record(pickup.number)).holder).equals(firm.account);
  });

  it("the same Idempotency-Key gets the same answer and one transfer; its secret cannot change", async () => {
    const pickup = await waiting();
    const key = crypto.randomUUID();
    const first = await take(ann, pickup, { key, wait: 0 });
    expect(first.status).equals(202);
    const second = await take(ann, pickup, { key });
    const third = await take(ann, pickup, { key });
    expect([second.status, third.status, third.body]).deep.equals([200, 200, second.body]);
    expect(third.headers.get("idempotency-replayed")).equals("true");
    refused(await take(ann, { ...pickup, secret: wrong() }, { key }), "idempotency-key-reused");
    expect((await record(pickup.number)).version).equals(1);
  });

  it("a wrong secret gets the same answer as an unknown number, for every invoice", async () => {
    const pickup = await waiting();
    const [titled, held, taken] = await Promise.all([
      issued(shop, firm),
      issued(shop, { name: "个人" }, { holder: bob.account }),
      waiting(),
    ]);
    await must(take(bob, taken));
    const refusalOf = async (number: string, secret: string) => {
      const { requestId, ...problem } = refused(await take(ann, { number, secret }), "not-found");
      expect(requestId).a("string");
      return problem;
    };
    const unknown = await refusalOf("26442999999999999999", wrong());
    for (const number of [pickup.number, taken.number, titled, held])
      expect(await refusalOf(number, wrong())).deep.equals(unknown);
    // the secret of another invoice, and numbers that are not keys of the curve
    for (const secret of [taken.secret, `0x${"f".repeat(64)}`, `0x${"0".repeat(64)}`])
      expect(await refusalOf(pickup.number, secret)).deep.equals(unknown);
    refused(await take(ann, { number: pickup.number, secret: "0x12" }), "invalid-request", {
      field: "/secret",
      rule: "format",
    });
    expect((await record(pickup.number)).state).equals("untouched");
    expect((await take(ann, pickup)).status).equals(200);
  });

  it("only a holder takes over, and only the issuer sees the secret", async () => {
    const pickup = await waiting();
    const issuerOnly = await must(
      call(
        "POST",
        "/v1/api-keys",
        { account: shop.account, roles: ["issuer"] },
        { token: shop.token },
      ),
    );
    refused(await take(issuerOnly, pickup), "forbidden");
    refused(await call("POST", "/v1/pickups", pickup), "forbidden"); // the bureau
    refused(await shown(pickup.number, await taxpayer("别家店", ["issuer"])), "not-found");
    refused(await shown(pickup.number, ann), "forbidden");
    refused(await call("GET", `/v1/invoices/${pickup.number}/pickup`), "forbidden"); // the bureau
    // another issuer that now holds the invoice sees the invoice, and not its secret
    const buyer = await taxpayer("采购店", ["issuer"]);
    await must(take(buyer, pickup));
    refused(await shown(pickup.number, buyer), "forbidden");
  });

  it("a titled invoice, a red letter and one with a named holder have no pickup, not even with the holder's own key", async () => {
    const wallet = Wallet.createRandom();
    const own = await person(firm, "自管持票人", await ownKey(firm, wallet));
    const [titled, named] = await Promise.all([
      must(issue(firm)),
      must(issue({ name: "个人" }, { holder: own.account })),
    ]);
    const { number: original } = await waiting();
    const red = await must(reverse(original));
    for (const made of [titled, named, red]) {
      expect(made.pickup).equals(undefined);
      refused(await shown(made.number, shop), "not-found");
    }
    refused(await take(ann, { number: named.number, secret: wallet.privateKey }), "not-found");
    const kept = await (await database())`select 1 from keystore where address = ${own.account}`;
    expect(kept, "no key is taken in that is not a pickup's").lengthOf(0);
  });

  it("a reversed invoice cannot be picked up", async () => {
    const pickup = await waiting();
    await must(reverse(pickup.number));
    await untilStatus(pickup.number, "reversed");
    for (const reply of [await take(ann, pickup), await shown(pickup.number, shop)])
      expect(refused(reply, "wrong-state")["original"]).deep.equals({
        number: pickup.number,
        state: "reversed",
      });
  });

  it("an invoice that is not sealed yet is picked up later", async () => {
    await must(call("PATCH", "/v1/ledger", { open: false }));
    let pickup: Pickup;
    try {
      pickup = (await must(issue({ name: "个人" }, {}, { wait: 0 }))).pickup;
      refused(await take(ann, pickup), "invoice-not-sealed");
      refused(await take(ann, { ...pickup, secret: wrong() }), "not-found");
      expect((await shown(pickup.number, shop)).body).includes(pickup);
    } finally {
      await must(call("PATCH", "/v1/ledger", { open: true }));
    }
    await untilStatus(pickup.number, "issued");
    expect((await take(ann, pickup)).status).equals(200);
    expect((await record(pickup.number)).holder).equals(ann.account);
  });

  it("of ten holders at once one succeeds, and the others' answers say that it is taken over", async () => {
    const pickup = await waiting();
    const holders = await Promise.all(
      Array.from({ length: 10 }, (_, i) => person(firm, `抢票人${i}`)),
    );
    const replies = await Promise.all(holders.map((each) => take(each, pickup)));
    const winners = holders.filter((_, i) => replies[i]?.status === 200);
    expect(winners, JSON.stringify(replies.map(({ body }) => body))).lengthOf(1);
    expect(await record(pickup.number)).deep.includes({ holder: winners[0]?.account, version: 1 });
    for (const reply of replies.filter(({ status }) => status !== 200))
      expect(refused(reply, "already-taken-over")["original"]).deep.includes({
        number: pickup.number,
        state: "issued",
      });
  });

  it("of a pickup and a red letter at the same moment one takes effect, and each answer says which", async () => {
    const pickups = await Promise.all(Array.from({ length: 6 }, waiting));
    await Promise.all(
      pickups.map(async (pickup, i) => {
        const both =
          i % 2
            ? [take(ann, pickup), reverse(pickup.number)]
            : [reverse(pickup.number), take(ann, pickup)];
        const [taken, red] = (await Promise.all(i % 2 ? both : both.reverse())) as [Reply, Reply];
        if (red.status === 201) await untilStatus(pickup.number, "reversed");
        else refused(red, "invoice-busy");
        if (taken.status !== 200)
          expect(refused(taken, "wrong-state")["original"]).deep.includes({
            number: pickup.number,
            state: "reversed",
          });
        const { holder, state } = await record(pickup.number);
        expect([holder, state]).deep.equals([
          taken.status === 200 ? ann.account : pickupAccount(pickup),
          red.status === 201 ? "reversed" : "issued",
        ]);
      }),
    );
  });

  it("ten at once of one holder: one transfer", async () => {
    const pickup = await waiting();
    const replies = await Promise.all(Array.from({ length: 10 }, () => take(ann, pickup)));
    expect(replies.filter(({ status }) => status === 200)).lengthOf(1);
    for (const { status, body } of replies.filter((each) => each.status !== 200)) {
      expect(status).equals(409);
      expect(["invoice-busy", "already-taken-over"]).includes(body.code);
    }
    expect((await record(pickup.number)).version).equals(1);
  });

  describe("a holder that keeps its own key", () => {
    it("signs the transfer with it, and has the invoice only after that", async () => {
      const wallet = Wallet.createRandom();
      const own = await person(firm, "自管", await ownKey(firm, wallet));
      const pickup = await waiting();
      const begun = await take(own, pickup, { wait: 0 });
      expect([begun.status, begun.body.number]).deep.equals([202, pickup.number]);
      const { href } = begun.body.operation;
      await until(
        "it waits",
        async () => (await operation(href, own)).status === "awaiting-signature",
      );
      expect((await operation(href, own)).awaiting).deep.equals([own.account]);
      refused(await take(own, pickup), "invoice-busy");
      expect((await record(pickup.number)).state).equals("untouched");
      await sign(href, own, wallet);
      await until(
        "the operation is done",
        async () => (await operation(href, own)).status === "done",
      );
      expect(await record(pickup.number)).deep.includes({ holder: own.account, version: 1 });
    });

    it("is first if it signs while another one waits behind it; the chain refuses the other", async () => {
      const wallet = Wallet.createRandom();
      const own = await person(firm, "自管先到", await ownKey(firm, wallet));
      const pickup = await waiting();
      const first = (await must(take(own, pickup, { wait: 0 }))).operation.href;
      await until(
        "it waits",
        async () => (await operation(first, own)).status === "awaiting-signature",
      );
      const key = crypto.randomUUID();
      const second = (await must(take(bob, pickup, { key, wait: 0 }))).operation.href;
      refused(await call("GET", first, undefined, { token: bob.token }), "not-found");
      await sign(first, own, wallet);
      expect(
        refused(await take(bob, pickup, { key }), "already-taken-over")["original"],
      ).deep.includes({ number: pickup.number, state: "issued" });
      const seen = await operation(second, bob);
      expect([seen.status, seen.problem.code, seen.problem.extra.chain.error]).deep.equals([
        "refused",
        "already-taken-over",
        "SignatureInvalid",
      ]);
      expect(await record(pickup.number)).deep.includes({ holder: own.account, version: 1 });
    });
  });

  it("a suspended holder cannot take over, and the next holder can", async () => {
    const barred = await taxpayer("被停公司", ["employer"]);
    await must(call("PATCH", `/v1/taxpayers/${barred.taxId}`, { standing: "suspended" }));
    const pickup = await waiting();
    refused(await take(barred, pickup), "holder-suspended");
    expect((await record(pickup.number)).state).equals("untouched");
    expect((await shown(pickup.number, shop)).body).includes(pickup);
    expect((await take(ann, pickup)).status).equals(200);
  });

  it("if the gateway is killed after it accepted the pickups, each invoice goes to its taker, once", async () => {
    const place = await sandbox();
    const pickups = await Promise.all(Array.from({ length: 10 }, waiting));
    const dying = await moveOut(place, "info");
    const key = (i: number) => `killed-${pickups[i]?.number}`;
    let answered = 0;
    const first = pickups.map(async (pickup, i) => {
      const reply = await take(ann, pickup, { key: key(i), wait: 0 }).catch(() => undefined);
      if (reply) answered += 1;
      return reply;
    });
    await until("some are accepted", async () => answered >= 3);
    dying.kill();
    await place.restart();
    const taken = (await Promise.all(first)).filter((reply) => reply !== undefined);
    expect(taken.length).at.least(3);
    expect(new Set(taken.map(({ status }) => status))).deep.equals(new Set([202]));
    const again = await Promise.all(pickups.map((pickup, i) => take(ann, pickup, { key: key(i) })));
    expect(again.map(({ status, body }) => body.code ?? status)).deep.equals(Array(10).fill(200));
    for (const { number } of pickups)
      expect(await record(number)).deep.includes({ holder: ann.account, version: 1 });
  });
});
