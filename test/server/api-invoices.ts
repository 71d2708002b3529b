/**
 * Issuing over HTTP: duplicates, the issuing rules, quota, red letters, numbers, idempotency, and a
 * gateway that dies in the middle.
 */

import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { expect } from "chai";
import { createEvidence } from "../../server/acts/evidence.ts";
import { createContracts } from "../../server/chain/contracts.ts";
import {
  call,
  callAt,
  invoiceOf,
  issued,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import {
  chain,
  database,
  month,
  period,
  quota,
  quotaOnChain,
  record,
  refused,
  statusOf,
  traces,
  until,
  untilStatus,
} from "./observe.ts";
import { moveOut } from "./support/gateway-process.ts";

const many = <T>(n: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const fresh = (): string => `T-${crypto.randomUUID()}`;
const money = (yuan: string): bigint => BigInt(yuan.replace(".", ""));

/** One line with this amount at a rate of 0. */
const over = (
  seller: TestParty,
  buyer: { taxId?: string; name: string },
  amount: string,
  more: Record<string, unknown> = {},
) =>
  invoiceOf(seller, buyer, {
    lines: [{ name: "*服务*咨询", amount, taxRate: "0", tax: "0.00" }],
    totals: { net: amount, tax: "0.00", gross: amount },
    ...more,
  });

describe("issuing over HTTP", () => {
  let shop: TestParty;
  let other: TestParty;
  let firm: TestParty;
  const issue = (
    seller: TestParty,
    body: unknown,
    more: { key?: string; wait?: number } = {},
  ): Promise<Reply> => call("POST", "/v1/invoices", body, { token: seller.token, ...more });

  before(async () => {
    [shop, other, firm] = await Promise.all([
      taxpayer("甲店", ["issuer"]),
      taxpayer("乙店", ["issuer"]),
      taxpayer("丙公司", ["employer"]),
    ]);
  });

  describe("the same original", () => {
    it("is a duplicate under every key, and the refusal names the first number and its state", async () => {
      const sourceId = fresh();
      const key = crypto.randomUUID();
      const body = invoiceOf(shop, firm, { sourceId });
      const first = await must(issue(shop, body, { key }));
      const href = `/v1/invoices/${first.number}`;
      for (const again of [body, invoiceOf(shop, firm, { sourceId, remark: "重开" })]) {
        const problem = refused(await issue(shop, again), "duplicate-source");
        expect(problem["original"]).deep.equals({ number: first.number, state: "issued", href });
      }
      await must(
        call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: [first.number] },
          { token: firm.token },
        ),
      );
      expect(refused(await issue(shop, body), "duplicate-source")["original"]).deep.equals({
        number: first.number,
        state: "claimed",
        href,
      });
    });

    it("is the same however it is spelled; what is another id is another original", async () => {
      const sourceId = `Pos-${crypto.randomUUID().slice(0, 8)}x-7`;
      const first = await must(issue(shop, invoiceOf(shop, firm, { sourceId })));
      const [full, dash] = [sourceId.replaceAll("-", "－"), sourceId.replaceAll("-", "\u2013")];
      for (const spelling of [sourceId.toLowerCase(), `${sourceId.toUpperCase()} `, full, dash])
        expect(
          refused(
            await issue(shop, invoiceOf(shop, firm, { sourceId: spelling })),
            "duplicate-source",
          )["original"].number,
          spelling,
        ).equals(first.number);
      for (const another of [`${sourceId}7`, `${sourceId}-7`])
        await must(issue(shop, invoiceOf(shop, firm, { sourceId: another })));
      // signs alone fold to nothing, and are still two ids
      for (const signs of [`+${"*".repeat(3)}`, "***"])
        await must(issue(shop, invoiceOf(shop, firm, { sourceId: signs })));
    });

    it("says whether the content is the same, and names the members that differ", async () => {
      const sourceId = fresh();
      const body = invoiceOf(shop, firm, { sourceId, remark: "午餐" });
      await must(issue(shop, body));
      const problem = async (again: unknown) => {
        const { content, differs } = refused(await issue(shop, again), "duplicate-source");
        return { content, differs };
      };
      expect(await problem(body)).deep.equals({ content: "same", differs: [] });
      expect(await problem({ ...body, sourceId: sourceId.toLowerCase() })).deep.equals({
        content: "same",
        differs: [],
      });
      const less = {
        lines: [{ name: "*餐饮服务*餐费", amount: "94.34", taxRate: "0.06", tax: "5.66" }],
        totals: { net: "94.34", tax: "5.66", gross: "100.00" },
      };
      expect(await problem({ ...body, ...less })).deep.equals({
        content: "differs",
        differs: ["/lines", "/totals"],
      });
      const { remark: _, ...without } = body as ReturnType<typeof invoiceOf> & { remark?: string };
      expect(await problem(without)).deep.equals({ content: "differs", differs: ["/remark"] });
    });

    it("is named to its issuer alone: another issuer's same id is not mentioned", async () => {
      const sourceId = fresh();
      await must(issue(shop, invoiceOf(shop, firm, { sourceId })));
      const reply = await issue(other, invoiceOf(shop, firm, { sourceId }));
      expect(refused(reply, "seller-not-caller")).not.to.have.any.keys("original", "content");
      expect((await issue(other, invoiceOf(other, firm, { sourceId }))).status).equals(201);
    });

    it("sent twenty times at once with twenty keys is accepted once", async () => {
      const body = invoiceOf(shop, firm, { sourceId: fresh() });
      const replies = await many(20, () => issue(shop, body));
      const good = replies.filter(({ status }) => status === 201);
      expect(good.map(({ status }) => status)).deep.equals([201]);
      for (const reply of replies.filter((candidate) => candidate !== good[0])) {
        expect(refused(reply, "duplicate-source")["original"].number).equals(good[0]?.body.number);
      }
    });

    it("of another seller is another original", async () => {
      const sourceId = fresh();
      const numbers = await Promise.all(
        [shop, other].map(
          async (seller) =>
            (await must(issue(seller, invoiceOf(seller, firm, { sourceId })))).number,
        ),
      );
      expect(new Set(numbers).size).equals(2);
    });
  });

  describe("who may issue what", () => {
    it("an issuer issues only its own invoices", async () => {
      const before = await traces();
      refused(await issue(shop, invoiceOf(other, firm)), "seller-not-caller", {
        field: "/seller/taxId",
        rule: "seller-is-caller",
      });
      expect(await traces()).deep.equals(before);
    });

    it("a titled buyer must be enrolled", async () => {
      refused(
        await issue(shop, invoiceOf(shop, { taxId: "91310115MA1K4QCW42", name: "未登记公司" })),
        "invalid-document",
        {
          field: "/buyer/taxId",
          rule: "tax-id-check-digit",
        },
      );
      refused(
        await issue(shop, invoiceOf(shop, { taxId: "DE999999999", name: "未登记公司" })),
        "buyer-not-enrolled",
        {
          field: "/buyer/taxId",
          rule: "buyer-enrolled",
        },
      );
    });

    it("an invoice is in the currency that its issuer accounts in", async () => {
      refused(
        await issue(shop, invoiceOf(shop, firm, { currency: "EUR" })),
        "currency-not-accounted",
        { field: "/currency", rule: "currency-of-issuer" },
      );
    });

    it("the zero address cannot hold an invoice", async () => {
      const reply = await issue(
        shop,
        invoiceOf(shop, { name: "顾客" }, { holder: `0x${"0".repeat(40)}` }),
      );
      refused(reply, "zero-address", { field: "/holder", rule: "not-zero" });
    });

    it("the holder is named once, and each notation of its account is the same account", async () => {
      const guest = await person(shop, "顾客甲");
      const twice = await call(
        "POST",
        `/v1/invoices?holder=${guest.account}`,
        invoiceOf(shop, { name: "顾客甲" }, { holder: guest.account }),
        {
          token: shop.token,
        },
      );
      refused(twice, "invalid-request");
      const number = await issued(
        shop,
        { name: "顾客甲" },
        { holder: guest.account.toLowerCase() },
      );
      expect(
        (await call("GET", `/v1/invoices/${number}`, undefined, { token: guest.token })).body
          .holder,
      ).equals(guest.account);
    });

    it("a suspended issuer issues nothing, and issues again when it is reinstated", async () => {
      const barred = await taxpayer("被停公司", ["issuer"]);
      await must(call("PATCH", `/v1/taxpayers/${barred.taxId}`, { standing: "suspended" }));
      refused(await issue(barred, invoiceOf(barred, firm)), "issuer-not-active");
      await must(call("PATCH", `/v1/taxpayers/${barred.taxId}`, { standing: "active" }));
      expect((await issue(barred, invoiceOf(barred, firm))).status).equals(201);
    });

    it("an invoice accepted before a suspension is sealed after it", async () => {
      const barred = await taxpayer("停业整顿公司", ["issuer"]);
      await must(issue(barred, invoiceOf(barred, firm)));
      const suspended = call("PATCH", `/v1/taxpayers/${barred.taxId}`, { standing: "suspended" });
      const accepted = await issue(barred, invoiceOf(barred, firm), { wait: 0 });
      await must(suspended);
      expect(accepted.status).equals(202);
      await must(call("PATCH", `/v1/taxpayers/${barred.taxId}`, { standing: "active" }));
      await untilStatus(accepted.body.number, "issued");
    });

    it("without numbers no invoice is issued; after a segment's last number the next segment continues", async () => {
      const small = await taxpayer("小店", ["issuer"], { segment: 2 });
      const two = await many(2, () => issued(small, firm));
      const before = await traces();
      refused(await issue(small, invoiceOf(small, firm)), "no-segment");
      expect(await traces()).deep.equals(before);
      const { first } = await must(
        call("POST", `/v1/taxpayers/${small.taxId}/segments`, { length: 2 }),
      );
      expect(await issued(small, firm)).equals(first);
      expect(BigInt(two.sort()[1] ?? 0) < BigInt(first)).equals(true);
    });
  });

  describe("quota", () => {
    it("is exceeded by the cent, and the refusal changes no quota", async () => {
      const tight = await taxpayer("紧额度公司", ["issuer"], { quota: "500.00" });
      await must(issue(tight, over(tight, firm, "300.00")));
      refused(await issue(tight, over(tight, firm, "200.01")), "quota-exceeded");
      expect(await quota(tight)).deep.includes({
        granted: "500.00",
        drawn: "500.00",
        used: "300.00",
        left: "200.00",
      });
      expect((await issue(tight, over(tight, firm, "200.00"))).status).equals(201);
      refused(await issue(tight, over(tight, firm, "0.01")), "quota-exceeded");
    });

    it("is drawn in round amounts while there is room, and never beyond the granted amount", async () => {
      const { config } = await sandbox();
      const big = await taxpayer("大额公司", ["issuer"], { quota: "250000.00" });
      await must(issue(big, over(big, firm, "1.00")));
      expect((await quotaOnChain(big.index, period())).drawn).equals(config.DRAW_STEP);
      await must(issue(big, over(big, firm, "100000.00")));
      expect((await quotaOnChain(big.index, period())).drawn).equals(2n * config.DRAW_STEP);
      await must(issue(big, over(big, firm, "149999.00")));
      const { granted, drawn } = await quotaOnChain(big.index, period());
      expect(drawn).equals(granted);
    });

    it("under twenty issues at once is drawn for all of them, and never used beyond the drawn amount", async () => {
      const busy = await taxpayer("繁忙公司", ["issuer"], { quota: "1500000.00" });
      const sql = await database();
      let watching = true;
      const watch = (async () => {
        for (; watching; await new Promise((resolve) => setTimeout(resolve, 20))) {
          const { drawn, used } = await quota(busy);
          expect(money(used) <= money(drawn), `${used} used of ${drawn} drawn`).equals(true);
        }
      })();
      const replies = await many(20, () => issue(busy, over(busy, firm, "70000.00")));
      watching = false;
      await watch;
      expect(replies.map(({ status, body }) => body.code ?? status)).deep.equals(
        Array(20).fill(201),
      );
      const { granted, drawn } = await quotaOnChain(busy.index, period());
      expect(drawn <= granted).equals(true);
      expect((await quota(busy)).used).equals("1400000.00");
      const [{ n = 0 } = {}] = await sql<
        { n: number }[]
      >`select count(*)::int as n from operations where party = ${busy.account} and kind = 'draw' and status <> 'done'`;
      expect(n, "no draw was refused or left over").equals(0);
    });

    it("of twenty issues at once for which there is quota for seven, seven are accepted", async () => {
      const busy = await taxpayer("超额公司", ["issuer"], { quota: "500000.00" });
      const replies = await many(20, () => issue(busy, over(busy, firm, "70000.00")));
      expect(replies.filter(({ status }) => status === 201)).lengthOf(7);
      for (const reply of replies.filter(({ status }) => status !== 201))
        refused(reply, "quota-exceeded");
      expect((await quota(busy)).used).equals("490000.00");
    });

    it("is not used while it is on its way back", async () => {
      const back = await taxpayer("退额公司", ["issuer"], { quota: "1000.00" });
      const draws = (body: unknown, wait: number) =>
        call("POST", `/v1/taxpayers/${back.taxId}/quota/draws`, body, { token: back.token, wait });
      await must(draws({ amount: "1000.00" }, 20));
      const [returned, reply] = await Promise.all([
        draws({ amount: "900.00", direction: "give-back" }, 0),
        draws({ amount: "900.00", direction: "give-back" }, 0),
      ]);
      expect([returned.status, reply.status].sort(), "the same rest is returned once").deep.equals([
        202, 409,
      ]);
      await must(issue(back, over(back, firm, "500.00")));
      await until("the quota is returned and drawn again", async () => {
        const { drawn, used } = await quota(back);
        expect(money(used) <= money(drawn), `${used} used of ${drawn} drawn`).equals(true);
        return drawn === "1000.00" || drawn === "500.00";
      });
      const { drawn } = await quotaOnChain(back.index, period());
      expect(drawn >= 50_000n, `${drawn} drawn, 50000 used`).equals(true);
    });
  });

  describe("red letters", () => {
    const redLetter = (
      seller: TestParty,
      buyer: { taxId?: string; name: string },
      reverses: Record<string, string>,
      more: Record<string, unknown> = {},
    ) =>
      invoiceOf(seller, buyer, {
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
        reverses,
        ...more,
      });

    it("a red letter reverses its original on the chain and returns its quota; nobody can use the original again", async () => {
      const seller = await taxpayer("红字公司", ["issuer"]);
      const number = await issued(seller, firm);
      const used = (await quota(seller)).used;
      const red = await must(issue(seller, redLetter(seller, firm, { number })));
      await untilStatus(number, "reversed");
      expect((await record(number)).state).equals("reversed");
      expect([used, (await quota(seller)).used]).deep.equals(["200.00", "0.00"]);
      const shown = (
        await call("GET", `/v1/invoices/${red.number}`, undefined, { token: seller.token })
      ).body;
      expect([shown.reverses, shown.status, shown.gross]).deep.equals([
        number,
        "issued",
        "-200.00",
      ]);
      expect(shown.document.totals.gross).equals("-200.00");
      refused(
        await call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: [number] },
          { token: firm.token },
        ),
        "wrong-state",
      );
      refused(
        await call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: [red.number] },
          { token: firm.token },
        ),
        "forbidden",
      );
      const twice = refused(
        await issue(seller, redLetter(seller, firm, { number })),
        "red-letter-refused",
        { field: "/reverses", rule: "original-reversed" },
      );
      expect(twice["original"]).deep.equals({ number: red.number, state: "reversed" });
    });

    it("the request can also name the original by the issuer's own id", async () => {
      const sourceId = fresh();
      const number = await issued(shop, firm, { sourceId });
      const red = await must(issue(shop, redLetter(shop, firm, { sourceId })));
      expect((await call("GET", `/v1/invoices/${red.number}`)).body.reverses).equals(number);
      await untilStatus(number, "reversed");
    });

    it("ten red letters at once for one original: one is issued", async () => {
      const number = await issued(shop, firm);
      const replies = await many(10, () => issue(shop, redLetter(shop, firm, { number })));
      expect(replies.filter(({ status }) => status === 201)).lengthOf(1);
      for (const reply of replies.filter(({ status }) => status !== 201))
        expect(reply.body.code).oneOf(["red-letter-open", "red-letter-refused"]);
    });

    it("an unknown original, another issuer's, another buyer, more than the amount: refused, and no quota changes", async () => {
      const number = await issued(shop, firm);
      const foreign = await issued(other, firm);
      const before = await traces();
      const used = (await quota(shop)).used;
      const unknown = { field: "/reverses", rule: "original-unknown" };
      refused(
        await issue(shop, redLetter(shop, firm, { number: "26442999999999999999" })),
        "red-letter-refused",
        unknown,
      );
      refused(
        await issue(shop, redLetter(shop, firm, { sourceId: fresh() })),
        "red-letter-refused",
        unknown,
      );
      refused(
        await issue(shop, redLetter(shop, firm, { number: foreign })),
        "red-letter-refused",
        unknown,
      );
      refused(
        await issue(shop, redLetter(shop, { name: "个人" }, { number })),
        "red-letter-refused",
        { field: "/reverses", rule: "same-buyer" },
      );
      const more = {
        lines: [
          {
            name: "*餐饮服务*餐费",
            unit: "次",
            quantity: "-1",
            unitPrice: "200",
            amount: "-200.00",
            taxRate: "0.06",
            tax: "-12.00",
          },
        ],
        totals: { net: "-200.00", tax: "-12.00", gross: "-212.00" },
      };
      refused(await issue(shop, redLetter(shop, firm, { number }, more)), "red-letter-refused", {
        field: "/totals/gross",
        rule: "exceeds-left",
      });
      expect(await traces()).deep.equals(before);
      expect([await statusOf(number), (await quota(shop)).used]).deep.equals(["issued", used]);
    });

    it("a claimed original needs its employer's consent: the red letter waits for it, and the answer says so at once", async () => {
      const number = await issued(shop, firm);
      await must(
        call(
          "POST",
          "/v1/claims",
          { employer: firm.taxId, invoices: [number] },
          { token: firm.token },
        ),
      );
      const { status, body } = await issue(shop, redLetter(shop, firm, { number }));
      expect([status, body.redLetter.status]).deep.equals([202, "02"]);
      expect((await record(number)).state).equals("claimed");
    });

    it("of a claim and a red letter at the same moment one succeeds, and the other's answer says so", async () => {
      const numbers = await many(6, () => issued(shop, firm));
      await Promise.all(
        numbers.map(async (number) => {
          const [claim, red] = await Promise.all([
            call(
              "POST",
              "/v1/claims",
              { employer: firm.taxId, invoices: [number] },
              { token: firm.token },
            ),
            issue(shop, redLetter(shop, firm, { number })),
          ]);
          if (red.status === 201) {
            refused(claim, "wrong-state");
            await untilStatus(number, "reversed");
          } else {
            expect(claim.status, JSON.stringify(claim.body)).equals(201);
            expect(red.body.code ?? red.body.redLetter.status).oneOf(["invoice-busy", "02"]);
          }
          expect((await record(number)).state).equals(red.status === 201 ? "reversed" : "claimed");
        }),
      );
    });
  });

  it("fifty issues at once by two issuers: each issuer's numbers are unique, ascending and without a gap", async () => {
    const pair = await Promise.all([
      taxpayer("连号甲", ["issuer"]),
      taxpayer("连号乙", ["issuer"]),
    ]);
    const numbers = await many(50, async (i) => {
      const seller = pair[i % 2] as TestParty;
      return {
        seller: seller.taxId,
        number: (await must(issue(seller, invoiceOf(seller, firm)))).number as string,
      };
    });
    for (const { taxId } of pair) {
      const { items } = (await call("GET", `/v1/taxpayers/${taxId}/segments`)).body;
      const own = numbers
        .filter(({ seller }) => seller === taxId)
        .map(({ number }) => number)
        .sort();
      expect(own).deep.equals(
        Array.from({ length: 25 }, (_, i) => (BigInt(items[0].first) + BigInt(i)).toString()),
      );
      expect(own[0]).matches(new RegExp(`^${month().slice(2, 4)}442\\d{15}$`));
      expect(items[0].used).equals(25);
    }
    const next = await issued(pair[0], firm);
    expect(await issued(pair[0], firm)).equals((BigInt(next) + 1n).toString());
  });

  describe("an Idempotency-Key for clients", () => {
    it("the same key and body get the same answer, also from another process; another body is refused", async () => {
      const key = crypto.randomUUID();
      const body = invoiceOf(shop, firm, { sourceId: fresh() });
      const first = await issue(shop, body, { key });
      expect([first.status, first.headers.get("idempotency-replayed")]).deep.equals([201, null]);
      const replay = async () => {
        const again = await issue(shop, body, { key });
        expect([
          again.status,
          again.body,
          again.headers.get("idempotency-replayed"),
          again.headers.get("location"),
        ]).deep.equals([201, first.body, "true", first.headers.get("location")]);
      };
      await replay();
      await (await sandbox()).restart();
      await replay();
      refused(await issue(shop, { ...body, remark: "改了" }, { key }), "idempotency-key-reused");
      // another party's keys are separate
      expect(
        (await issue(other, invoiceOf(other, firm), { key })).headers.get("idempotency-replayed"),
      ).equals(null);
    });

    it("twenty requests at once with one key issue one invoice", async () => {
      const key = crypto.randomUUID();
      const body = invoiceOf(shop, firm, { remark: fresh() });
      const before = await traces();
      const replies = await many(20, () => issue(shop, body, { key }));
      const good = replies.filter(({ status }) => status < 300);
      expect(new Set(good.map(({ body: { number } }) => number)).size).equals(1);
      for (const reply of replies.filter(({ status }) => status >= 300))
        refused(reply, "idempotency-key-running");
      const after = await traces();
      expect([
        (after["invoices"] ?? 0) - (before["invoices"] ?? 0),
        (after["accepted"] ?? 0) - (before["accepted"] ?? 0),
      ]).deep.equals([1, 1]);
    });
  });

  it("a gateway that dies in the middle of fifty issues: each accepted invoice is sealed once, with its accepted content", async function () {
    this.timeout(120_000);
    const seller = await taxpayer("重启公司", ["issuer"]);
    await issued(seller, firm);
    const place = await sandbox();
    const bodies = Array.from({ length: 50 }, (_, i) =>
      invoiceOf(seller, firm, { remark: `第${i}张`, sourceId: fresh() }),
    );
    const dying = await moveOut(place, "info");
    let answered = 0;
    /** As a till does: it sends the same request with the same key until an answer comes. */
    const persist = (body: unknown): Promise<Reply> => {
      const key = crypto.randomUUID();
      return until("an answer", async () => {
        const reply = await callAt(place.url, "POST", "/v1/invoices", body, {
          token: seller.token,
          key,
          wait: 0,
        }).catch(() => undefined);
        if (
          reply === undefined ||
          reply.status >= 500 ||
          reply.body.code === "idempotency-key-running"
        )
          return undefined;
        answered += 1;
        return reply;
      });
    };
    const waiting = bodies.slice(0, 25).map(persist);
    await until("some are accepted", async () => answered >= 10);
    dying.kill();
    const restarted = place.restart();
    const replies = await Promise.all([...waiting, ...bodies.slice(25).map(persist)]);
    await restarted;
    expect(replies.map(({ status, body }) => body.code ?? status)).deep.equals(Array(50).fill(202));
    const numbers = replies.map(({ body }) => body.number as string);
    expect(new Set(numbers).size).equals(50);

    const { deployment } = place;
    const contracts = createContracts(deployment);
    const evidence = createEvidence();
    const sql = await database();
    await untilStatus([...numbers].sort()[49] as string, "issued");
    await Promise.all(
      numbers.map(async (number, i) => {
        const { document } = (
          await call("GET", `/v1/invoices/${number}`, undefined, { token: seller.token })
        ).body;
        expect(document).deep.equals(bodies[i]);
        const [stored] = await sql<
          { salt: Buffer; leaf_holder: string; leaf_buyer: number }[]
        >`select salt, leaf_holder, leaf_buyer from invoices where number = ${number}`;
        const proof = await evidence.get(sql, number);
        if (!stored || !proof) throw new Error(`No evidence of ${number}`);
        // the leaf follows from the content that GET shows, not from the gateway's stored leaf
        const leaf = {
          content: contentHash(stored.salt, document),
          holder: firm.account,
          buyer: firm.index,
        };
        const proves = async (shownLeaf: typeof leaf) => {
          const data = await (await chain()).call(
            deployment.ledger,
            contracts.ledgerCall("proves", [number, { ...proof, leaf: shownLeaf }]),
          );
          return contracts.ledgerResult("proves", data)[0] as boolean;
        };
        expect(await proves(leaf)).equals(true);
        const altered = { ...document, remark: "改了" };
        expect(await proves({ ...leaf, content: contentHash(stored.salt, altered) })).equals(false);
        const events = (await call("GET", `/v1/invoices/${number}/history`)).body.items;
        expect(events.map(({ type }: { type: string }) => type)).deep.equals(["invoice.issued"]);
      }),
    );
    const [lots] = await sql<{ sealed: number; lotted: number }[]>`
      select (select coalesce(sum(count), 0)::int from lots where issuer = ${seller.index}) as sealed, (select sum(lotted)::int from segment_use_now u join segments s on s.first = u.segment where s.issuer = ${seller.index}) as lotted`;
    expect(lots).deep.equals({ sealed: 51, lotted: 51 });
  });

  it("lists are pages in the order of acceptance, and say whether there are more", async () => {
    const seller = await taxpayer("翻页公司", ["issuer"]);
    const numbers: string[] = [];
    while (numbers.length < 5) numbers.push(await issued(seller, firm));
    const page = async (query: string) =>
      (await call("GET", `/v1/invoices?as=issuer&${query}`, undefined, { token: seller.token }))
        .body;
    const first = await page("limit=3");
    expect(first.items.map(({ number }: { number: string }) => number)).deep.equals(
      numbers.slice(0, 3),
    );
    expect(first.next).matches(new RegExp(`^\\d+-${numbers[2]}$`));
    const second = await page(`limit=3&after=${first.next}`);
    expect([second.items.map(({ number }: { number: string }) => number), second.next]).deep.equals(
      [numbers.slice(3), undefined],
    );
    const newest = await page("limit=3&order=desc");
    expect(newest.items.map(({ number }: { number: string }) => number)).deep.equals(
      numbers.slice(2).reverse(),
    );
    const older = await page(`limit=3&order=desc&after=${newest.next}`);
    expect([older.items.map(({ number }: { number: string }) => number), older.next]).deep.equals([
      numbers.slice(0, 2).reverse(),
      undefined,
    ]);
    expect((await page("status=claimed")).items).deep.equals([]);
    refused(
      await call("GET", "/v1/invoices?after=1", undefined, { token: seller.token }),
      "invalid-request",
      { field: "?after", rule: "format" },
    );
  });
});
