/**
 * Red letters over HTTP: every state of the sheet and the party that can cause it, remaining
 * amounts, races, parties with their own keys, void and replace.
 */
import { randomUUID } from "node:crypto";
import { contentHash } from "@onepiao/protocol/proofs/disclosing.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import { enqueue } from "../../server/acts/operations.ts";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, quota, record, refused, until, untilStatus } from "./observe.ts";
import { entryBy } from "./support/bench.ts";

const many = <T>(n: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));

describe("red letters over HTTP", () => {
  let shop: TestParty;
  let firm: TestParty;
  let rival: TestParty;

  before(async () => {
    [shop, firm, rival] = await Promise.all([
      taxpayer("红字商店", ["issuer"]),
      taxpayer("远航公司", ["employer"]),
      taxpayer("旁人公司", ["issuer", "employer"]),
    ]);
  });

  type By = { token: string };
  const post = (
    path: string,
    by: By,
    body?: unknown,
    more: { key?: string; wait?: number } = {},
  ): Promise<Reply> => call("POST", path, body, { token: by.token, ...more });
  const get = async (path: string, by: By): Promise<Loose> =>
    must(call("GET", path, undefined, { token: by.token }));
  const redLetter = (
    number: string,
    by: By,
    body: unknown,
    more: { key?: string; wait?: number } = {},
  ) => post(`/v1/invoices/${number}/red-letters`, by, body, more);
  const whole = { reason: 2, whole: true };
  const part = (amount: string) => ({ reason: 4, lines: [{ line: 1, amount }] });
  const decide = (
    id: string,
    word: "consent" | "refuse" | "withdraw",
    by: By,
    more: { wait?: number } = {},
  ) => post(`/v1/red-letters/${id}/${word}`, by, undefined, more);
  const sheet = (id: string, by: By = shop) => get(`/v1/red-letters/${id}`, by);
  const left = async (number: string) => (await get(`/v1/invoices/${number}`, shop)).left;

  /** An invoice titled to the firm, in the given state. */
  async function titled(state: "issued" | "claimed" | "reimbursed" = "issued"): Promise<string> {
    const number = await issued(shop, firm);
    if (state === "issued") return number;
    const { id } = await must(
      post("/v1/claims", firm, { employer: firm.taxId, invoices: [number] }),
    );
    if (state === "reimbursed") await must(post(`/v1/claims/${id}/reimburse`, firm));
    return number;
  }
  /** A sheet that waits for the firm (02), or for the shop (03). */
  const waiting = async (status: "02" | "03"): Promise<{ id: string; number: string }> => {
    const number = await titled("claimed");
    const { id, ...rest } = await must(redLetter(number, status === "02" ? shop : firm, whole));
    expect(rest.status).equals(status);
    return { id, number };
  };

  describe("of an unused invoice", () => {
    it("the issuer reverses it alone: the red letter has a number, a seal and no holder, and the quota returns", async () => {
      const seller = await taxpayer("独家红字", ["issuer"]);
      const number = await issued(seller, firm);
      const before = (await quota(seller)).used;
      const reply = await redLetter(number, seller, whole);
      expect(
        [reply.status, reply.body.status, reply.body.openedBy, reply.body.reason],
        JSON.stringify(reply.body),
      ).deep.equals([201, "01", "issuer", 2]);
      expect(reply.body.totals).deep.equals({ net: "-188.68", tax: "-11.32", gross: "-200.00" });
      expect((await record(number)).state).equals("reversed");
      expect([before, (await quota(seller)).used]).deep.equals(["200.00", "0.00"]);
      const original = await get(`/v1/invoices/${number}`, seller);
      expect([original.status, original.left]).deep.equals([
        "reversed",
        { net: "0.00", tax: "0.00", gross: "0.00" },
      ]);
      expect(original.redLetters).deep.equals([
        { id: reply.body.id, status: "01", number: reply.body.number },
      ]);
      const red = await get(`/v1/invoices/${reply.body.number}`, seller);
      expect([red.reverses, red.status, red.holder, red.left]).deep.equals([
        number,
        "issued",
        `0x${"00".repeat(20)}`,
        undefined,
      ]);
      expect(BigInt(red.number)).equals(BigInt(number) + 1n);
      refused(await redLetter(number, seller, whole), "red-letter-refused", {
        field: "/reverses",
        rule: "original-reversed",
      });
      refused(await redLetter(red.number, seller, whole), "red-letter-refused", {
        field: "/reverses",
        rule: "red-letter-itself",
      });
    });

    it("partial red letters reduce it, and the one over the rest reverses it", async () => {
      const number = await titled();
      const first = await must(redLetter(number, shop, part("100.00")));
      expect(first.totals).deep.equals({ net: "-100.00", tax: "-6.00", gross: "-106.00" });
      expect(await left(number)).deep.equals({ net: "88.68", tax: "5.32", gross: "94.00" });
      expect(await record(number)).deep.includes({ state: "issued", version: 1 });
      refused(await redLetter(number, shop, part("88.69")), "red-letter-refused", {
        field: "/totals/gross",
        rule: "exceeds-left",
      });
      const second = await must(redLetter(number, shop, { reason: 4, gross: "53.00" }));
      expect(second.totals.net).equals("-50.00");
      // the claim shows the reduced amount
      const { id } = await must(
        post("/v1/claims", firm, { employer: firm.taxId, invoices: [number] }),
      );
      expect((await get(`/v1/claims/${id}`, firm)).invoices).deep.equals([
        { number, status: "claimed", left: { net: "38.68", tax: "2.32", gross: "41.00" } },
      ]);
      const rest = await must(redLetter(number, shop, whole));
      expect(rest.status).equals("02");
      const last = await must(decide(rest.id, "consent", firm));
      expect([last.status, last.totals.gross]).deep.equals(["04", "-41.00"]);
      await untilStatus(number, "reversed");
      expect((await get(`/v1/claims/${id}`, firm)).status).equals("reversed");
      const types = (await get(`/v1/invoices/${number}/history`, shop)).items
        .map((event: Loose) => event.type)
        .filter((type: string) => /reversed|adjusted/.test(type));
      expect(types).deep.equals(["invoice.adjusted", "invoice.adjusted", "invoice.reversed"]);
      const all = (await get(`/v1/invoices/${number}/red-letters`, firm)).items;
      expect(all.map((item: Loose) => item.totals.gross)).deep.equals([
        "-41.00",
        "-53.00",
        "-106.00",
      ]);
    });

    it("the issuer's own document is accepted too, here and at POST /v1/invoices; never for more than remains", async () => {
      const number = await titled();
      const lines = [{ name: "*餐饮服务*餐费", amount: "-50.00", taxRate: "0.06", tax: "-3.00" }];
      const document = invoiceOf(shop, firm, {
        lines,
        totals: { net: "-50.00", tax: "-3.00", gross: "-53.00" },
      });
      const made = await must(redLetter(number, shop, { reason: 4, document }));
      const receipt = await must(
        post("/v1/invoices?reason=4", shop, { ...document, reverses: { number } }),
      );
      expect(receipt.status).equals("issued");
      expect(await left(number)).deep.equals({ net: "88.68", tax: "5.32", gross: "94.00" });
      const { items } = await get(`/v1/invoices/${number}/red-letters`, shop);
      expect(items.map((sheet: Loose) => [sheet.number, sheet.reason, sheet.status])).deep.equals([
        [receipt.number, 4, "01"],
        [made.number, 4, "01"],
      ]);
      const other = { field: "/document/reverses", rule: "reverses-this" };
      refused(
        await redLetter(number, shop, {
          reason: 4,
          document: { ...document, reverses: { sourceId: "x" } },
        }),
        "red-letter-refused",
        other,
      );
      refused(
        await redLetter(number, shop, { reason: 4, document: { ...document, kind: "special" } }),
        "red-letter-refused",
        {
          field: "/kind",
          rule: "same-kind",
        },
      );
      refused(
        await redLetter(number, shop, { reason: 4, document: { ...document, currency: "EUR" } }),
        "red-letter-refused",
        {
          field: "/currency",
          rule: "same-currency",
        },
      );
      const rates = {
        ...document,
        lines: [{ name: "x", amount: "-50.00", taxRate: "0.03", tax: "-1.50" }],
        totals: { net: "-50.00", tax: "-1.50", gross: "-51.50" },
      };
      refused(await redLetter(number, shop, { reason: 4, document: rates }), "red-letter-refused", {
        field: "/lines",
        rule: "exceeds-left",
      });
      for (const body of [
        { reason: 2 },
        { reason: 5, whole: true },
        { whole: true },
        { reason: 1, whole: true, gross: "1.00" },
        { reason: 1, lines: [{ line: 1, quantity: "1", amount: "1.00" }] },
      ])
        refused(await redLetter(number, shop, body), "invalid-request");
      expect(await left(number)).deep.equals({ net: "88.68", tax: "5.32", gross: "94.00" });
    });

    it("the employer of its title may ask for it: then the issuer must consent", async () => {
      const number = await titled();
      const opened = await redLetter(number, firm, { reason: 3, whole: true });
      expect([opened.status, opened.body.status, opened.body.openedBy]).deep.equals([
        202,
        "03",
        "employer",
      ]);
      refused(await decide(opened.body.id, "consent", firm), "forbidden");
      const done = await must(decide(opened.body.id, "consent", shop));
      expect([done.status, (await record(number)).state]).deep.equals(["04", "reversed"]);
    });
  });

  describe("of a used invoice", () => {
    for (const state of ["claimed", "reimbursed"] as const) {
      it(`${state}: the employer must consent, and its consent is on the chain`, async () => {
        const number = await titled(state);
        const opened = await redLetter(number, shop, whole);
        expect([opened.status, opened.body.status, opened.body.employer]).deep.equals([
          202,
          "02",
          { taxId: firm.taxId, name: firm.name },
        ]);
        expect(new Date(opened.body.confirmBy).getTime() - Date.now()).within(
          71 * 3_600_000,
          73 * 3_600_000,
        );
        expect((await record(number)).state).equals(state);
        expect(
          (await get("/v1/red-letters?as=employer&status=02", firm)).items.map(
            (item: Loose) => item.id,
          ),
        ).includes(opened.body.id);
        const done = await decide(opened.body.id, "consent", firm);
        expect([done.status, done.body.status]).deep.equals([200, "04"]);
        expect((await record(number)).state).equals("reversed");
        expect((await get(`/v1/invoices/${done.body.number}`, shop)).reverses).equals(number);
      });

      it(`${state}: after a partial red letter it is still ${state}`, async () => {
        const number = await titled(state);
        const before = await record(number);
        const { id } = await must(redLetter(number, shop, part("8.68")));
        await must(decide(id, "consent", firm));
        expect(await record(number)).deep.equals({ ...before, version: before.version + 1 });
        expect((await left(number)).net).equals("180.00");
      });
    }

    it("entered in books: the employer must consent, though the invoice is not claimed", async () => {
      const number = await titled();
      const sql = await database();
      await sql.begin((tx) => enqueue(tx, entryBy(firm, 2, number)));
      await until(
        "it is entered",
        async () =>
          (await sql`select 1 from invoice_states where number = ${number} and entry = 2`)
            .length === 1,
      );
      const opened = await must(redLetter(number, shop, whole));
      expect(opened.status).equals("02");
      await must(decide(opened.id, "consent", firm));
      expect((await record(number)).state).equals("reversed");
    });
  });

  describe("the sheet", () => {
    it("02 refused by the employer is 05, 03 refused by the issuer is 06; a new sheet can follow", async () => {
      for (const [status, end, other, opener] of [
        ["02", "05", firm, shop],
        ["03", "06", shop, firm],
      ] as const) {
        const { id, number } = await waiting(status);
        refused(await decide(id, "refuse", opener), "forbidden");
        expect((await must(decide(id, "refuse", other))).status).equals(end);
        for (const word of ["consent", "refuse", "withdraw"] as const)
          expect(
            refused(await decide(id, word, shop), "red-letter-state")["redLetter"].status,
          ).equals(end);
        expect((await record(number)).state).equals("claimed");
        await must(redLetter(number, shop, whole));
      }
    });

    it("02 and 03 withdrawn by their requester are 08", async () => {
      for (const [status, other, opener] of [
        ["02", firm, shop],
        ["03", shop, firm],
      ] as const) {
        const { id } = await waiting(status);
        refused(await decide(id, "withdraw", other), "forbidden");
        expect((await must(decide(id, "withdraw", opener))).status).equals("08");
        refused(await decide(id, "consent", other), "red-letter-state");
      }
    });

    it("is void after 72 hours by the database's clock, for every reader at once", async () => {
      const { id, number } = await waiting("02");
      await (await database())`update red_letters set confirm_by = now() - interval '1 second' where id = ${id}`;
      expect((await sheet(id)).status).equals("07");
      refused(await decide(id, "consent", firm), "red-letter-state");
      await until(
        "upkeep has ended it",
        async () =>
          (await (await database())`select 1 from red_letters where id = ${id} and status = '07'`)
            .length === 1,
      );
      const again = await must(redLetter(number, shop, whole));
      expect(again.status).equals("02");
      expect(
        (await get("/v1/red-letters?status=07", shop)).items.map((item: Loose) => item.id),
      ).includes(id);
    });

    it("is for its parties: the other side decides, the holder sees it, strangers get not-found", async () => {
      const number = await issued(shop, { name: "个人" }, { holder: firm.account });
      const holder = await person(firm, "刘洋");
      const offer = await must(
        post(`/v1/invoices/${number}/transfers`, firm, { to: holder.account }),
      );
      await must(post(`/v1/transfers/${offer.id}/accept`, holder));
      await must(post("/v1/claims", holder, { employer: firm.taxId, invoices: [number] }));
      refused(await redLetter(number, holder, whole), "forbidden");
      refused(await redLetter(number, rival, whole), "not-found");
      const { id } = await must(redLetter(number, shop, whole));
      for (const by of [shop, firm, holder]) expect((await sheet(id, by)).status).equals("02");
      refused(
        await call("GET", `/v1/red-letters/${id}`, undefined, { token: rival.token }),
        "not-found",
      );
      for (const word of ["consent", "refuse", "withdraw"] as const) {
        refused(await decide(id, word, rival), "not-found");
        refused(await decide(id, word, holder), "forbidden");
      }
      refused(await decide(id, "consent", shop), "forbidden");
      expect((await get("/v1/red-letters", rival)).items).deep.equals([]);
      expect((await call("GET", `/v1/red-letters/${id}`)).body.status).equals("02");
      expect((await must(decide(id, "consent", firm))).status).equals("04");
    });

    it("is closed to an employer that has rejected the claim; the issuer withdraws it, and continues alone", async () => {
      const number = await issued(shop, { name: "个人" }, { holder: firm.account });
      const claim = await must(
        post("/v1/claims", firm, { employer: firm.taxId, invoices: [number] }),
      );
      const { id } = await must(redLetter(number, shop, whole));
      expect((await sheet(id, { token: firm.token })).status).equals("02");
      await must(post(`/v1/claims/${claim.id}/reject`, firm, { reason: "私人消费" }));
      refused(await decide(id, "consent", firm), "forbidden");
      expect(
        (await get("/v1/red-letters?as=employer", firm)).items.map((item: Loose) => item.id),
      ).not.includes(id);
      const again = await must(
        post("/v1/claims", firm, { employer: rival.taxId, invoices: [number] }),
      );
      refused(await decide(id, "consent", rival), "not-found");
      await must(post(`/v1/claims/${again.id}/reject`, rival, { reason: "不是本公司" }));
      refused(await redLetter(number, shop, whole), "red-letter-open");
      expect((await must(decide(id, "withdraw", shop))).status).equals("08");
      expect((await redLetter(number, shop, whole)).body.status).equals("01");
    });

    it("is in the feed of both sides, with each of its statuses", async () => {
      const { id } = await waiting("02");
      const done = await must(decide(id, "consent", firm));
      for (const by of [shop, firm]) {
        const events = await until("the feed has all events", async () => {
          const { items } = await get(
            "/v1/events?types=red-letter.changed,red-letter.issued&limit=100",
            by,
          );
          const own = items
            .filter((event: Loose) => event.data.redLetter === id)
            .map((event: Loose) => [event.type, event.data.status ?? event.data.issued]);
          return own.length === 3 && own;
        });
        expect(events).deep.equals([
          ["red-letter.changed", "02"],
          ["red-letter.changed", "04"],
          ["red-letter.issued", done.number],
        ]);
      }
      expect((await get("/v1/events?types=red-letter.changed&limit=100", rival)).items).deep.equals(
        [],
      );
    });

    it("is not opened by an issuer that is suspended", async () => {
      const seller = await taxpayer("停业红字", ["issuer"]);
      const number = await issued(seller, firm);
      await must(call("PATCH", `/v1/taxpayers/${seller.taxId}`, { standing: "suspended" }));
      refused(await redLetter(number, seller, whole), "issuer-not-active");
      // requested by the employer it waits, and the issuer's consent is not enough
      const { id } = await must(redLetter(number, firm, whole));
      refused(await decide(id, "consent", seller), "issuer-not-active");
      await must(call("PATCH", `/v1/taxpayers/${seller.taxId}`, { standing: "active" }));
      expect((await must(decide(id, "consent", seller))).status).equals("04");
    });

    it("is opened once for an Idempotency-Key with any number of requests; and consent happens once", async () => {
      const number = await titled("claimed");
      const key = randomUUID();
      const first = await redLetter(number, shop, whole, { key });
      const again = await redLetter(number, shop, whole, { key });
      expect([again.body.id, again.headers.get("idempotency-replayed")]).deep.equals([
        first.body.id,
        "true",
      ]);
      const replies = await many(5, () => decide(first.body.id, "consent", firm));
      expect(replies.filter(({ status }) => status === 200)).lengthOf(1);
      for (const reply of replies.filter(({ status }) => status !== 200))
        refused(reply, "red-letter-state");
      expect(await (await database())`select 1 from invoices where reverses = ${number}`).lengthOf(
        1,
      );
      const after = await redLetter(number, shop, whole, { key });
      expect([after.status, after.body.status, after.body.number !== undefined]).deep.equals([
        201,
        "04",
        true,
      ]);
    });
  });

  describe("at the same time", () => {
    it("of ten over the whole one is issued, and the other answers name it", async () => {
      const number = await titled();
      const replies = await many(10, () => redLetter(number, shop, whole));
      expect(replies.filter(({ status }) => status === 201)).lengthOf(1);
      for (const { body } of replies.filter(({ status }) => status !== 201))
        expect(body.code).oneOf(["red-letter-open", "red-letter-refused"]);
      expect(await (await database())`select 1 from invoices where reverses = ${number}`).lengthOf(
        1,
      );
    });

    it("six over a third each, sent until they are refused: three are issued, and nothing remains", async () => {
      const number = await issued(shop, firm, {
        lines: [{ name: "*餐饮服务*餐费", amount: "300.00", taxRate: "0.06", tax: "18.00" }],
        totals: { net: "300.00", tax: "18.00", gross: "318.00" },
      });
      const outcomes = await many(6, async () => {
        for (;;) {
          const reply = await redLetter(number, shop, part("100.00"));
          if (!["red-letter-open", "invoice-busy"].includes(reply.body.code)) return reply;
        }
      });
      expect(outcomes.filter(({ status }) => status === 201)).lengthOf(3);
      for (const reply of outcomes.filter(({ status }) => status !== 201))
        refused(reply, "red-letter-refused");
      expect(await left(number)).deep.equals({ net: "0.00", tax: "0.00", gross: "0.00" });
      expect((await record(number)).state).equals("reversed");
    });

    it("a claim and a red letter: the invoice is reversed and the claim refused, or it is claimed and the sheet waits for its employer", async () => {
      await many(8, async (i) => {
        const number = await titled();
        const both = [
          () => post("/v1/claims", firm, { employer: firm.taxId, invoices: [number] }),
          () => redLetter(number, shop, whole),
        ];
        const replies = await Promise.all(
          (i % 2 ? both.reverse() : both).map((attempt) => attempt()),
        );
        const [claim, red] = (i % 2 ? replies.reverse() : replies) as [Reply, Reply];
        const { state } = await record(number);
        if (red.status === 201) {
          refused(claim, "wrong-state");
          expect(state).equals("reversed");
        } else {
          expect([claim.status, state]).deep.equals([201, "claimed"]);
          expect(red.body.code ?? red.body.status).oneOf(["invoice-busy", "02"]);
        }
      });
    });
  });

  describe("of parties that keep their own keys", () => {
    const wallet = Wallet.createRandom();
    let own: TestParty;
    before(async () => {
      own = await taxpayer("自持钥公司", ["employer"], {
        key: { custody: "own", address: wallet.address },
      });
    });
    const awaiting = async (by: By): Promise<Loose> =>
      until("there is an operation to sign", async () =>
        (await get("/v1/operations?status=awaiting-signature", by)).items.find(
          (operation: Loose) => operation.typedData,
        ),
      );
    async function sign(by: By): Promise<Loose> {
      const { id, typedData } = await awaiting(by);
      const signature = await wallet.signTypedData(
        typedData.domain,
        typedData.types,
        typedData.message,
      );
      await must(post(`/v1/operations/${id}/signatures`, by, { signature }));
      return typedData;
    }
    async function claimedOf(): Promise<string> {
      const number = await issued(shop, own);
      const claim = post("/v1/claims", own, { employer: own.taxId, invoices: [number] });
      await sign(own);
      await must(claim);
      return number;
    }

    it("the employer signs the red letter's content hash; if the sheet is withdrawn before, it is 09", async () => {
      const number = await claimedOf();
      const { id } = await must(redLetter(number, shop, part("100.00")));
      const consented = await decide(id, "consent", own, { wait: 0 });
      expect([consented.status, consented.body.status]).deep.equals([202, "04"]);
      const { typedData } = await awaiting(own);
      const shown = await sheet(id, own);
      expect([typedData.primaryType, typedData.message.ref]).deep.equals(["Adjust", shown.ref]);
      expect(contentHash(Buffer.from(shown.salt.slice(2), "hex"), shown.document)).equals(
        shown.ref,
      );
      refused(await decide(id, "withdraw", own), "forbidden");
      expect((await must(decide(id, "withdraw", shop))).status).equals("09");
      expect((await get("/v1/operations?status=awaiting-signature", own)).items).deep.equals([]);

      const again = await must(redLetter(number, shop, part("100.00")));
      const answer = decide(again.id, "consent", own);
      await sign(own);
      expect((await must(answer)).status).equals("04");
      expect((await left(number)).net).equals("88.68");
    });

    it("a sheet without a signature in time does not continue: its party consents again, or it is withdrawn", async () => {
      const number = await claimedOf();
      const { id } = await must(redLetter(number, shop, whole));
      await must(decide(id, "consent", own, { wait: 0 }));
      const { id: operation } = await awaiting(own);
      await (await database())`update operations set updated_at = now() - interval '16 minutes' where id = ${operation}`;
      await until(
        "it has failed",
        async () => (await sheet(id)).problem?.code === "signature-expired",
      );
      expect((await sheet(id)).status).equals("04");
      const answer = decide(id, "consent", own);
      await sign(own);
      expect((await must(answer)).number).matches(/^\d{20}$/);
      expect((await record(number)).state).equals("reversed");
    });
  });

  describe("void and replace", () => {
    const replacement = (more: Record<string, unknown> = {}) =>
      invoiceOf(shop, firm, {
        lines: [{ name: "*餐饮服务*餐费", amount: "150.00", taxRate: "0.06", tax: "9.00" }],
        totals: { net: "150.00", tax: "9.00", gross: "159.00" },
        ...more,
      });
    const replace = (number: string, body: unknown, by: By = shop, more: { key?: string } = {}) =>
      post(`/v1/invoices/${number}/replace`, by, body, more);

    it("the red letter and the new invoice get their numbers in one transaction, once, and name each other", async () => {
      const number = await titled();
      const key = randomUUID();
      const replies = await many(3, () => replace(number, replacement(), shop, { key }));
      const done = replies.find(({ status }) => status === 201) as Reply;
      expect(done, JSON.stringify(replies.map(({ body }) => body))).not.equals(undefined);
      const { number: red, replacement: next, reason } = done.body;
      expect([reason, BigInt(next) - BigInt(red)]).deep.equals([1, 1n]);
      const rows = await (await database())<
        { number: string; tx: string }[]
      >`select number, xmin::text as tx from invoices where number in (${red}, ${next})`;
      expect(new Set(rows.map((row) => row.tx)).size).equals(1);
      const [before, after] = [
        await get(`/v1/invoices/${number}`, shop),
        await get(`/v1/invoices/${next}`, firm),
      ];
      expect([
        before.status,
        before.replacedBy,
        after.replaces,
        after.holder,
        after.gross,
      ]).deep.equals(["reversed", next, number, firm.account, "159.00"]);
      const again = await replace(number, replacement(), shop, { key });
      expect([again.body.replacement, again.headers.get("idempotency-replayed")]).deep.equals([
        next,
        "true",
      ]);
      refused(await replace(number, replacement()), "red-letter-refused", {
        field: "/reverses",
        rule: "original-reversed",
      });
    });

    it("of a claimed invoice both wait for the employer, and neither is issued without it", async () => {
      const number = await titled("claimed");
      const sourceId = `R-${randomUUID()}`;
      const opened = await must(replace(number, replacement({ sourceId })));
      expect([opened.status, opened.replacement]).deep.equals(["02", undefined]);
      // the sheet reserves its sourceId
      refused(await post("/v1/invoices", shop, replacement({ sourceId })), "duplicate-source");
      const done = await must(decide(opened.id, "consent", firm));
      expect((await get(`/v1/invoices/${done.replacement}`, shop)).document.sourceId).equals(
        sourceId,
      );
      expect(
        refused(await post("/v1/invoices", shop, replacement({ sourceId })), "duplicate-source")[
          "original"
        ].number,
      ).equals(done.replacement);

      const other = await titled("claimed");
      const second = await must(replace(other, replacement({ sourceId: `${sourceId}-2` })));
      await must(decide(second.id, "refuse", firm));
      // free again when the sheet ends
      await must(post("/v1/invoices", shop, replacement({ sourceId: `${sourceId}-2` })));
      expect((await record(other)).state).equals("claimed");
    });

    it("an invalid invoice replaces nothing, and only the issuer replaces", async () => {
      const number = await titled();
      refused(await replace(number, replacement(), firm), "forbidden");
      refused(
        await replace(number, replacement({ totals: { net: "1.00", tax: "0.06", gross: "1.06" } })),
        "invalid-document",
      );
      refused(await replace(number, invoiceOf(rival, firm)), "seller-not-caller");
      refused(
        await replace(number, replacement({ reverses: { number }, ...negative })),
        "red-letter-refused",
        {
          field: "/reverses",
          rule: "not-a-red-letter",
        },
      );
      expect([
        (await record(number)).state,
        (await get(`/v1/invoices/${number}/red-letters`, shop)).items,
      ]).deep.equals(["untouched", []]);
    });

    const negative = {
      lines: [{ name: "*餐饮服务*餐费", amount: "-150.00", taxRate: "0.06", tax: "-9.00" }],
      totals: { net: "-150.00", tax: "-9.00", gross: "-159.00" },
    };

    it("the new invoice draws the quota that it needs; beyond the granted quota both wait, and continue when there is more", async () => {
      const seller = await taxpayer("额度紧", ["issuer"], { quota: "300.00" });
      const number = await issued(seller, firm);
      const dearer = invoiceOf(seller, firm, {
        lines: [{ name: "*餐饮服务*餐费", amount: "400.00", taxRate: "0.06", tax: "24.00" }],
        totals: { net: "400.00", tax: "24.00", gross: "424.00" },
      });
      const { id } = (await post(`/v1/invoices/${number}/replace`, seller, dearer, { wait: 0 }))
        .body;
      await until(
        "it waits for quota",
        async () => (await get(`/v1/red-letters/${id}`, seller)).problem?.code === "quota-exceeded",
      );
      expect((await record(number)).state).equals("reversed");
      const stored = await (await database())<
        { problem: string }[]
      >`select problem from red_letters where id = ${id}`;
      expect(stored[0]?.problem).equals("quota-exceeded");
      const month = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 7);
      await must(
        call("PUT", `/v1/taxpayers/${seller.taxId}/quota`, { period: month, granted: "1000.00" }),
      );
      const done = await until("both are issued", async () => {
        const shown = await get(`/v1/red-letters/${id}`, seller);
        return shown.number && shown;
      });
      await Promise.all(
        [done.number, done.replacement].map((invoice) => untilStatus(invoice, "issued")),
      );
      expect((await get(`/v1/invoices/${done.replacement}`, seller)).replaces).equals(number);
      expect((await quota(seller)).used).equals("424.00");
    });
  });
});
