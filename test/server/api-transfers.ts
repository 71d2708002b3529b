/** Transfers over HTTP: offers, both parties' consent, and the ledger's state afterwards. */
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  call,
  invoiceOf,
  issued,
  must,
  ownKey,
  person,
  type Reply,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { record, refused, until, untilStatus } from "./observe.ts";
import { whileNothingIsSealed } from "./support/holding.ts";

type Holder = { account: string; token: string };

describe("transfers over HTTP", () => {
  let shop: TestParty;
  let firm: TestParty;
  let ann: Holder;
  let bob: Holder;

  const offer = (number: string, by: Holder, to: string): Promise<Reply> =>
    call("POST", `/v1/invoices/${number}/transfers`, { to }, { token: by.token });
  const say = (id: string, word: string, by: Holder, wait = 20): Promise<Reply> =>
    call("POST", `/v1/transfers/${id}/${word}`, undefined, { token: by.token, wait });
  const held = (by: Holder): Promise<string> =>
    issued(shop, { name: "个人" }, { holder: by.account });
  const sees = async (number: string, by: Holder): Promise<number> =>
    (await call("GET", `/v1/invoices/${number}`, undefined, { token: by.token })).status;

  before(async () => {
    [shop, firm] = await Promise.all([
      taxpayer("书店", ["issuer"]),
      taxpayer("公司", ["employer"]),
    ]);
    [ann, bob] = await Promise.all([person(firm, "安"), person(firm, "波")]);
  });

  it("an accepted offer moves the invoice, signed by both; the previous holder no longer sees it", async () => {
    const number = await held(ann);
    const offered = await offer(number, ann, bob.account.toLowerCase());
    expect(offered.status).equals(201);
    expect(offered.body).deep.includes({
      number,
      from: ann.account,
      to: bob.account,
      status: "offered",
    });
    expect((await record(number)).state, "an offer is not on the chain").equals("untouched");
    expect([await sees(number, ann), await sees(number, bob)]).deep.equals([200, 404]);
    const shown = (
      await call("GET", `/v1/transfers/${offered.body.id}`, undefined, { token: bob.token })
    ).body;
    expect(shown.invoice).deep.equals({
      seller: shop.name,
      issuedAt: "2026-11-03T12:31:07+08:00",
      currency: "CNY",
      gross: "200.00",
    });

    const accepted = await say(offered.body.id, "accept", bob);
    expect([accepted.status, accepted.body.status]).deep.equals([200, "completed"]);
    expect(await record(number)).deep.equals({
      holder: bob.account,
      employer: 0,
      state: "issued",
      titled: false,
      version: 1,
    });
    expect([
      await sees(number, ann),
      await sees(number, bob),
      await sees(number, shop),
    ]).deep.equals([404, 200, 200]);
    const { items } = (await call("GET", "/v1/invoices", undefined, { token: bob.token })).body;
    expect(items.map((invoice: { number: string }) => invoice.number)).includes(number);
    refused(
      await call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [number] },
        { token: ann.token },
      ),
      "not-found",
    );
    expect(
      (
        await call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: [number] },
          { token: bob.token },
        )
      ).status,
    ).equals(201);
    const history = (
      await call("GET", `/v1/invoices/${number}/history`, undefined, { token: bob.token })
    ).body.items;
    expect(
      history.find((event: { type: string }) => event.type === "invoice.transferred"),
    ).deep.includes({ data: { from: ann.account, to: bob.account } });
    // the offer is an event for both its parties, and shown while it is open
    expect(offered.body).not.to.have.property("invoice");
    const offersTo = async (by: { token: string }) =>
      (
        await call("GET", "/v1/events?types=transfer.offered&limit=100", undefined, {
          token: by.token,
        })
      ).body.items.filter((event: { number: string }) => event.number === number);
    for (const each of [ann, bob]) {
      const { data } = await until(
        "the offer is in the feed",
        async () => (await offersTo(each))[0],
      );
      expect(data).deep.equals({
        transfer: offered.body.id,
        from: ann.account,
        to: bob.account,
        status: "offered",
      });
    }
    expect(await offersTo(shop)).deep.equals([]);
    const issuers = (
      await call("GET", `/v1/invoices/${number}/history`, undefined, { token: shop.token })
    ).body.items;
    expect(
      issuers.map((event: { type: string }) => event.type),
      "where it went is not for the issuer",
    ).deep.equals(["invoice.issued"]);
  });

  it("a titled invoice stays titled under every holder", async () => {
    const number = await issued(shop, firm, { holder: ann.account });
    const { id } = await must(offer(number, ann, bob.account));
    await must(say(id, "accept", bob));
    expect(await record(number)).deep.includes({
      holder: bob.account,
      employer: firm.index,
      titled: true,
    });
  });

  it("a declined or withdrawn offer changes nothing, and the invoice can be offered again", async () => {
    const number = await held(ann);
    const first = await must(offer(number, ann, bob.account));
    refused(await offer(number, ann, firm.account), "invoice-busy");
    expect((await must(say(first.id, "decline", bob))).status).equals("declined");
    const second = await must(offer(number, ann, bob.account));
    expect((await must(say(second.id, "withdraw", ann))).status).equals("withdrawn");
    for (const { id } of [first, second]) {
      for (const word of ["accept", "decline"]) refused(await say(id, word, bob), "transfer-state");
      refused(await say(id, "withdraw", ann), "transfer-state");
    }
    expect((await record(number)).state).equals("untouched");
    const third = await must(offer(number, ann, firm.account));
    expect((await must(say(third.id, "accept", firm))).status).equals("completed");
  });

  it("only its parties act on an offer, each in its own role", async () => {
    const number = await held(ann);
    const stranger = await person(firm, "旁人");
    const { id } = await must(offer(number, ann, bob.account));
    refused(await say(id, "accept", ann), "forbidden");
    refused(await say(id, "decline", ann), "forbidden");
    refused(await say(id, "withdraw", bob), "forbidden");
    for (const word of ["accept", "decline", "withdraw"])
      refused(await say(id, word, stranger), "not-found");
    refused(
      await call("GET", `/v1/transfers/${id}`, undefined, { token: stranger.token }),
      "not-found",
    );
    expect(
      (await call("GET", `/v1/transfers/${id}`, undefined, { token: bob.token })).body.status,
    ).equals("offered");
    expect(
      (await call("GET", "/v1/transfers", undefined, { token: stranger.token })).body.items,
    ).deep.equals([]);
  });

  it("a claimed, unsealed or foreign invoice cannot be offered, and no offer goes to an unknown account", async () => {
    const [claimed, owned] = await Promise.all([held(ann), held(ann)]);
    await must(
      call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [claimed] },
        { token: ann.token },
      ),
    );
    expect(refused(await offer(claimed, ann, bob.account), "wrong-state")["original"]).deep.equals({
      number: claimed,
      state: "claimed",
    });
    refused(await offer(owned, bob, ann.account), "not-found");
    refused(
      await call(
        "POST",
        `/v1/invoices/${owned}/transfers`,
        { to: bob.account },
        { token: shop.token },
      ),
      "forbidden",
    );
    for (const to of [Wallet.createRandom().address, ann.account, `0x${"0".repeat(40)}`]) {
      refused(await offer(owned, ann, to), "receiver-invalid", {
        field: "/to",
        rule: "known-account",
      });
    }
    refused(await offer(owned, ann, "0x12"), "invalid-request", { field: "/to", rule: "format" });
    const unsealed = await whileNothingIsSealed(async () => {
      const accepted = await must(
        call("POST", "/v1/invoices", invoiceOf(shop, { name: "个人" }, { holder: ann.account }), {
          token: shop.token,
          wait: 0,
        }),
      );
      refused(await offer(accepted.number, ann, bob.account), "invoice-not-sealed");
      return accepted.number as string;
    });
    await untilStatus(unsealed, "issued");
    expect((await offer(unsealed, ann, bob.account)).status).equals(201);
  });

  it("of ten offers of one invoice at once one is open", async () => {
    const number = await held(ann);
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => offer(number, ann, bob.account)),
    );
    expect(replies.filter(({ status }) => status === 201)).lengthOf(1);
    for (const reply of replies.filter(({ status }) => status !== 201))
      refused(reply, "invoice-busy");
  });

  it("ten acceptances of one offer at once make one transfer", async () => {
    const number = await held(ann);
    const { id } = await must(offer(number, ann, bob.account));
    const replies = await Promise.all(Array.from({ length: 10 }, () => say(id, "accept", bob)));
    expect(replies.filter(({ status }) => status === 200)).lengthOf(1);
    for (const reply of replies.filter(({ status }) => status !== 200))
      refused(reply, "transfer-state");
    expect((await record(number)).version).equals(1);
  });

  it("an offer fails if its sender has claimed the invoice in the meantime", async () => {
    const number = await held(ann);
    const { id } = await must(offer(number, ann, bob.account));
    await must(
      call(
        "POST",
        "/v1/claims",
        { employer: firm.taxId, invoices: [number] },
        { token: ann.token },
      ),
    );
    refused(await say(id, "accept", bob), "wrong-state");
    expect(
      (await call("GET", `/v1/transfers/${id}`, undefined, { token: ann.token })).body.status,
    ).equals("refused");
    expect(await record(number)).deep.includes({ holder: ann.account, state: "claimed" });
  });

  describe("parties with their own keys", () => {
    /** Signs the operation's data, as the party sees it. */
    async function sign(
      href: string,
      by: Holder,
      wallet: { signTypedData: Wallet["signTypedData"] },
    ): Promise<Reply> {
      const shown = await until("the operation waits for the signature", async () => {
        const { body } = await call("GET", href, undefined, { token: by.token });
        return body.typedData ? body : undefined;
      });
      expect(shown.status).equals("awaiting-signature");
      const { domain, types, message } = shown.typedData;
      return call(
        "POST",
        `${href}/signatures`,
        { signature: await wallet.signTypedData(domain, types, message) },
        { token: by.token },
      );
    }

    it("a receiver must sign, and nothing moves before that", async () => {
      const wallet = Wallet.createRandom();
      const own = await person(firm, "自管", await ownKey(firm, wallet));
      const number = await held(ann);
      const { id } = await must(offer(number, ann, own.account));
      const accepted = await say(id, "accept", own, 0);
      expect([accepted.status, accepted.body.status]).deep.equals([202, "accepted"]);
      const { href } = accepted.body.operation;
      await until(
        "it waits",
        async () =>
          (await call("GET", href, undefined, { token: own.token })).body.typedData !== undefined,
      );
      // the sender sees the operation, and no data to sign
      const seen = (await call("GET", href, undefined, { token: ann.token })).body;
      expect([seen.awaiting, seen.typedData]).deep.equals([[own.account], undefined]);
      expect((await record(number)).state).equals("untouched");
      refused(await sign(href, own, Wallet.createRandom()), "signature-invalid", {
        field: "/signature",
        rule: "signature-by-account-key",
      });
      expect((await sign(href, own, wallet)).status).equals(200);
      await until(
        "the invoice is the receiver's",
        async () => (await record(number)).holder === own.account,
      );
      expect(
        await until(
          "completed",
          async () =>
            (await call("GET", `/v1/transfers/${id}`, undefined, { token: own.token })).body
              .status === "completed",
        ),
      ).equals(true);
    });

    it("a sender must sign, after the receiver has accepted", async () => {
      const wallet = Wallet.createRandom();
      const own = await person(firm, "自管卖方", await ownKey(firm, wallet));
      const number = await held(own);
      const { id } = await must(offer(number, own, bob.account));
      const accepted = await say(id, "accept", bob, 0);
      const { href } = accepted.body.operation;
      const { items } = await until("it is in the sender's list", async () => {
        const { body } = await call("GET", "/v1/operations?status=awaiting-signature", undefined, {
          token: own.token,
        });
        return body.items.length > 0 ? body : undefined;
      });
      expect(
        items.map(({ kind, awaiting }: { kind: string; awaiting: string[] }) => [kind, awaiting]),
      ).deep.equals([["transfer", [own.account]]]);
      const message = items[0].typedData.message;
      expect([message.to, message.invoices]).deep.equals([
        bob.account,
        [{ id: number, version: 0 }],
      ]);
      expect((await sign(href, own, wallet)).status).equals(200);
      await until(
        "the invoice is the receiver's",
        async () => (await record(number)).holder === bob.account,
      );
      refused(
        await call(
          "POST",
          `${href}/signatures`,
          { signature: `0x${"11".repeat(64)}` },
          { token: own.token },
        ),
        "signature-not-wanted",
      );
    });
  });

  it("a suspended holder neither sends nor receives", async () => {
    const barred = await taxpayer("被停持票公司", ["employer"]);
    const owned = await issued(shop, barred);
    const theirs = await held(ann);
    const [out, into] = await Promise.all([
      must(offer(owned, barred, bob.account)),
      must(offer(theirs, ann, barred.account)),
    ]);
    await must(call("PATCH", `/v1/taxpayers/${barred.taxId}`, { standing: "suspended" }));
    refused(await say(out.id, "accept", bob), "holder-suspended");
    refused(await say(into.id, "accept", barred), "holder-suspended");
    expect([(await record(owned)).state, (await record(theirs)).state]).deep.equals([
      "untouched",
      "untouched",
    ]);
  });
});
