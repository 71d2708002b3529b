/**
 * Book entry over HTTP: an invoice is entered in its employer's books once; the refusal of a second
 * entry names the first one.
 */
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, refused, until, untilStatus } from "./observe.ts";
import { whileNothingIsSealed } from "./support/holding.ts";

const many = <T>(n: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));

describe("book entry over HTTP", () => {
  let shop: TestParty;
  let employer: TestParty;
  let rival: TestParty;
  let worker: { account: string; token: string };
  let bureau: { token: string };

  type By = { token: string };
  const enter = (
    mark: string,
    invoices: string[],
    by: By = employer,
    more: object = {},
    options: { key?: string; wait?: number } = {},
  ): Promise<Reply> =>
    call("POST", "/v1/entries", { mark, invoices, ...more }, { token: by.token, ...options });
  /**
   * As `enter`; sends the request again under its key while the answer says that it is still under
   * way.
   */
  async function outcome(mark: string, invoices: string[]): Promise<Reply> {
    const key = crypto.randomUUID();
    const send = () => enter(mark, invoices, employer, {}, { key });
    let reply = await send();
    while (reply.status === 202) reply = await send();
    return reply;
  }
  const entry = (number: string, by: By = employer) =>
    call("GET", `/v1/invoices/${number}/entry`, undefined, { token: by.token });
  const list = async (by: By, query = ""): Promise<Loose> =>
    must(call("GET", `/v1/entries?${query}`, undefined, { token: by.token }));
  const titled = () => issued(shop, employer, { holder: worker.account });
  const untitled = () => issued(shop, { name: "个人" }, { holder: worker.account });
  const claim = async (number: string, from: TestParty = employer) =>
    (
      await must(
        call(
          "POST",
          "/v1/claims",
          { employer: from.taxId, invoices: [number] },
          { token: worker.token },
        ),
      )
    ).id as string;
  const decide = (id: string, word: string, by: By = employer, body?: unknown) =>
    must(call("POST", `/v1/claims/${id}/${word}`, body, { token: by.token }));

  before(async () => {
    bureau = (await sandbox()).bureau;
    [shop, employer, rival] = await Promise.all([
      taxpayer("餐厅", ["issuer"]),
      taxpayer("记账雇主", ["employer"]),
      taxpayer("别家雇主", ["employer"]),
    ]);
    worker = await person(employer, "赵一");
  });

  it("a titled invoice is entered before its claim; the answer names act, transaction and block", async () => {
    const number = await titled();
    const done = await enter("02", [number], employer, { period: "2026-11", voucher: "记-0042" });
    expect(done.status, JSON.stringify(done.body)).equals(201);
    const [made] = done.body.invoices;
    expect(made).deep.includes({
      invoice: number,
      mark: "02",
      current: true,
      period: "2026-11",
      voucher: "记-0042",
    });
    expect(made.proof.act).matches(/^0x[0-9a-f]{64}$/);
    const [event] = (await must(call("GET", `/v1/events?number=${number}&types=invoice.entered`)))
      .items;
    expect(event).deep.includes({
      position: made.position,
      tx: made.proof.tx,
      block: made.proof.block,
    });
    expect(event.data).deep.equals({ mark: "02", act: made.proof.act, employer: employer.index });
    expect((await entry(number)).body).deep.equals({ invoice: number, mark: "02", acts: [made] });
    // claims, reimbursements and entries do not depend on each other
    const id = await claim(number);
    await decide(id, "reimburse");
    expect((await entry(number)).body.mark).equals("02");
  });

  it("a second entry, with either mark, is refused with the first one's mark, time and act", async () => {
    const number = await titled();
    const [first] = (await must(enter("03", [number]))).invoices;
    for (const mark of ["03", "02"]) {
      const { original } = refused(await enter(mark, [number]), "already-entered", {
        field: "/invoices/0",
        rule: "not-entered-yet",
      });
      expect(original).deep.equals({
        number,
        mark: "03",
        since: first.at,
        act: first.proof.act,
        tx: first.proof.tx,
        block: first.proof.block,
      });
    }
    expect((await entry(number)).body.acts).lengthOf(1);
  });

  it("the same key gets the same answer again, so a caller without an answer sends the request again", async () => {
    const number = await titled();
    const key = crypto.randomUUID();
    const first = await enter("02", [number], employer, {}, { key });
    const again = await enter("02", [number], employer, {}, { key });
    expect([first.status, again.status, again.headers.get("idempotency-replayed")]).deep.equals([
      201,
      201,
      "true",
    ]);
    expect(again.body).deep.equals(first.body);
  });

  it("an entry is revoked, and then made again", async () => {
    const number = await titled();
    refused(await enter("06", [number]), "not-entered", { field: "/invoices/0", rule: "entered" });
    await must(enter("02", [number]));
    const [revoked] = (await must(enter("06", [number], employer, { voucher: "冲-1" }))).invoices;
    expect(revoked).deep.includes({ mark: "06", current: true, voucher: "冲-1" });
    refused(await enter("06", [number]), "not-entered");
    await must(enter("03", [number]));
    const { mark, acts } = (await entry(number)).body;
    expect([mark, acts.map((act: Loose) => [act.mark, act.current])]).deep.equals([
      "03",
      [
        ["03", true],
        ["06", false],
        ["02", false],
      ],
    ]);
  });

  it("an untitled invoice is entered after its reimbursement, by the employer that reimbursed it", async () => {
    const number = await untitled();
    refused(await enter("02", [number]), "not-found");
    const id = await claim(number);
    refused(await enter("02", [number]), "wrong-state", {
      field: "/invoices/0",
      rule: "reimbursed",
    });
    await decide(id, "reimburse");
    refused(await enter("02", [number], rival), "not-found");
    expect((await enter("02", [number])).status).equals(201);
  });

  it("only the employer marks, and only its own sealed invoices", async () => {
    const number = await titled();
    refused(await enter("02", [number], worker), "forbidden");
    refused(await enter("02", [number], shop), "forbidden");
    refused(await enter("02", [number], bureau), "forbidden");
    refused(await enter("02", [number], rival), "not-found");
    refused(await enter("02", ["26442999999999999999"]), "not-found");
    refused(await enter("02", [`0x${"f".repeat(64)}`]), "not-found");
    refused(await enter("01", [number]), "invalid-request", { field: "/mark", rule: "value" });
    refused(await enter("02", [`0x${"7".repeat(64)}`]), "invalid-request");
    refused(await enter("02", [number, number]), "ids-not-ascending", {
      field: "/invoices",
      rule: "unique",
    });
    refused(await enter("02", []), "invalid-request");
    const unsealed = await whileNothingIsSealed(async () => {
      const accepted = await must(
        call("POST", "/v1/invoices", invoiceOf(shop, employer), { token: shop.token, wait: 0 }),
      );
      refused(await enter("02", [accepted.number]), "invoice-not-sealed");
      return accepted.number as string;
    });
    await untilStatus(unsealed, "issued");
    expect((await enter("02", [unsealed])).status).equals(201);
    expect((await entry(number)).body).deep.equals({ invoice: number, mark: "01", acts: [] });
  });

  it("a red letter is not entered; its original's entry is revoked", async () => {
    const number = await issued(shop, employer);
    await must(enter("02", [number]));
    const open = await must(
      call(
        "POST",
        `/v1/invoices/${number}/red-letters`,
        { reason: 2, whole: true },
        { token: shop.token, wait: 0 },
      ),
    );
    await must(
      call("POST", `/v1/red-letters/${open.id}/consent`, undefined, { token: employer.token }),
    );
    const red = await until("the red letter is sealed", async () => {
      const { body } = await call("GET", `/v1/red-letters/${open.id}`, undefined, {
        token: shop.token,
      });
      return (
        body.number &&
        (await call("GET", `/v1/invoices/${body.number}`)).body.status === "issued" &&
        body.number
      );
    });
    refused(await enter("02", [red]), "is-red-letter");
    expect((await must(enter("06", [number]))).invoices[0].mark).equals("06");
    refused(await enter("02", [number]), "wrong-state", {
      field: "/invoices/0",
      rule: "not-reversed",
    });
  });

  it("an act over several invoices marks all of them or nothing", async () => {
    const [first, second, third] = (await many(3, titled)) as [string, string, string];
    await must(enter("02", [second]));
    const { original } = refused(await enter("02", [first, second, third]), "already-entered", {
      field: "/invoices/1",
      rule: "not-entered-yet",
    });
    expect(original.number).equals(second);
    expect((await entry(first)).body.mark).equals("01");
    const done = await must(enter("03", [third, first]));
    expect(done.invoices.map((each: Loose) => each.invoice)).deep.equals([third, first]);
    expect(new Set(done.invoices.map((each: Loose) => each.proof.act)).size).equals(1);
  });

  it("of twenty entries at once one succeeds, and the nineteen refusals name it", async () => {
    for (const number of [await titled(), await untitled()]) {
      if ((await call("GET", `/v1/invoices/${number}`)).body.titled === false)
        await decide(await claim(number), "reimburse");
      const replies = await many(20, (i) => outcome(i % 2 ? "02" : "03", [number]));
      const made = replies.filter(({ status }) => status === 201);
      expect(made, JSON.stringify(replies.map(({ body }) => body.code))).lengthOf(1);
      const [first] = made[0]?.body.invoices ?? [];
      for (const reply of replies.filter(({ status }) => status !== 201)) {
        expect(refused(reply, "already-entered")["original"]).deep.includes({
          number,
          mark: first.mark,
          since: first.at,
          act: first.proof.act,
        });
      }
      expect((await entry(number)).body.acts).deep.equals([first]);
    }
  });

  it("the chain refuses a second entry if the gateway has not seen the first", async () => {
    const number = await titled();
    await must(enter("02", [number]));
    // as if the follower had not stored the first entry yet
    const sql = await database();
    await sql`update invoice_states set entry = 1 where number = ${number}`;
    try {
      const reply = refused(await enter("02", [number]), "already-entered");
      expect(reply["chain"].error).equals("AlreadyEntered");
    } finally {
      await sql`update invoice_states set entry = 2 where number = ${number}`;
    }
  });

  it("employer and bureau see the mark, only the employer sees the voucher", async () => {
    const number = await titled();
    await must(enter("02", [number], employer, { voucher: "记-0099" }));
    for (const by of [worker, shop, rival])
      refused(await entry(number, by), by === rival ? "not-found" : "forbidden");
    const seen = (await entry(number, bureau)).body;
    expect([seen.mark, seen.acts[0].mark, seen.acts[0].voucher]).deep.equals([
      "02",
      "02",
      undefined,
    ]);
    const shown = async (by: By) =>
      (await must(call("GET", `/v1/invoices/${number}`, undefined, { token: by.token }))).entry;
    expect([
      await shown(employer),
      await shown(bureau),
      await shown(worker),
      await shown(shop),
    ]).deep.equals(["02", "02", undefined, undefined]);
    const listed = async (by: By, as: string) => {
      const { items } = await must(
        call("GET", `/v1/invoices?as=${as}&limit=100`, undefined, { token: by.token }),
      );
      return items.find((invoice: Loose) => invoice.number === number)?.entry;
    };
    expect([
      await listed(employer, "employer"),
      await listed(worker, "holder"),
      await listed(shop, "issuer"),
    ]).deep.equals(["02", undefined, undefined]);
    for (const by of [worker, shop]) {
      const delivered = (
        await must(call("GET", `/v1/invoices/${number}/history`, undefined, { token: by.token }))
      ).items;
      expect(delivered.map(({ type }: Loose) => type)).not.includes("invoice.entered");
      const events = (
        await must(call("GET", `/v1/events?number=${number}`, undefined, { token: by.token }))
      ).items;
      expect(events.map(({ type }: Loose) => type)).not.includes("invoice.entered");
    }
    const history = (
      await must(
        call("GET", `/v1/invoices/${number}/history`, undefined, { token: employer.token }),
      )
    ).items;
    expect(history.map(({ type }: Loose) => type)).includes("invoice.entered");
  });

  it("an accounting system pages over the entries, in the order of the chain, and misses none", async () => {
    const firm = await taxpayer("对账雇主", ["employer"]);
    const numbers: string[] = [];
    for (let i = 0; i < 5; i += 1) numbers.push(await issued(shop, firm));
    for (const number of numbers)
      await must(enter("02", [number], firm, { voucher: `记-${number.slice(-4)}` }));
    await must(enter("06", [numbers[1] as string], firm));
    const items: Loose[] = [];
    for (let at = "0"; ; ) {
      const page = await list(firm, `after=${at}&limit=2`);
      expect(page.items.length).lessThanOrEqual(2);
      items.push(...page.items);
      at = page.next;
      if (!page.more) break;
    }
    expect(items.map((item) => [item.invoice, item.mark, item.current])).deep.equals([
      ...numbers.map((number, i) => [number, "02", i !== 1]),
      [numbers[1], "06", true],
    ]);
    expect(items[0].voucher).equals(`记-${numbers[0]?.slice(-4)}`);
    expect(items.every((item) => item.proof.act && item.proof.tx && item.proof.block > 0)).equals(
      true,
    );
    const now = await list(firm, "current=true&limit=100");
    expect(now.items.map((item: Loose) => item.invoice)).deep.equals([
      numbers[0],
      ...numbers.slice(2),
      numbers[1],
    ]);
    expect((await list(firm, `after=${now.next}`)).items).deep.equals([]);
    // another employer sees none of these entries; the bureau sees all, without the vouchers
    expect(
      (await list(rival, "limit=100")).items.some((item: Loose) => numbers.includes(item.invoice)),
    ).equals(false);
    const after = (BigInt(items[0].position) - 1n).toString();
    const seen = (await list(bureau, `after=${after}&limit=100`)).items.filter((item: Loose) =>
      numbers.includes(item.invoice),
    );
    expect(seen.map((item: Loose) => item.voucher)).deep.equals(items.map(() => undefined));
    refused(await call("GET", "/v1/entries", undefined, { token: worker.token }), "forbidden");
  });

  it("an employer that keeps its own key signs its entries", async () => {
    const wallet = Wallet.createRandom();
    const own = await taxpayer("自管雇主", ["employer"], {
      key: { custody: "own", address: wallet.address },
    });
    const number = await issued(shop, own);
    const key = crypto.randomUUID();
    const taken = await enter("03", [number], own, {}, { key, wait: 0 });
    expect(taken.status).equals(202);
    const { typedData } = await until("the entry waits for its signature", async () => {
      const { body } = await call("GET", taken.body.operation.href, undefined, {
        token: own.token,
      });
      return body.status === "awaiting-signature" ? body : undefined;
    });
    expect([
      typedData.primaryType,
      typedData.message.employer,
      BigInt(typedData.message.ref),
    ]).deep.equals(["Enter", own.index, 3n]);
    const signature = await wallet.signTypedData(
      typedData.domain,
      typedData.types,
      typedData.message,
    );
    await must(
      call("POST", `${taken.body.operation.href}/signatures`, { signature }, { token: own.token }),
    );
    const done = await enter("03", [number], own, {}, { key });
    expect([done.status, done.body.invoices[0].mark]).deep.equals([201, "03"]);
  });

  it("a suspended employer makes no entries", async () => {
    const firm = await taxpayer("停牌雇主", ["employer"]);
    const number = await issued(shop, firm);
    await must(call("PATCH", `/v1/taxpayers/${firm.taxId}`, { standing: "suspended" }));
    refused(await enter("02", [number], firm), "employer-not-active");
  });

  it("an entry under way survives a restart of the gateway", async () => {
    const number = await titled();
    const key = crypto.randomUUID();
    const taken = await enter("02", [number], employer, { voucher: "记-重启" }, { key, wait: 0 });
    expect(taken.status).equals(202);
    await (await sandbox()).restart();
    const done = await enter("02", [number], employer, { voucher: "记-重启" }, { key });
    expect(
      [done.status, done.headers.get("idempotency-replayed")],
      JSON.stringify(done.body),
    ).deep.equals([201, "true"]);
    expect((await entry(number)).body.acts).deep.equals(done.body.invoices);
    await untilStatus(number, "issued");
  });
});
