/**
 * Claims over HTTP: expense reports, their decisions, and every way to get paid twice, all of which
 * must fail.
 */
import { expect } from "chai";
import { passTime } from "../../sandbox/chain.ts";
import {
  call,
  invoiceOf,
  issued,
  must,
  person,
  type Reply,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, record, refused, statusOf, until, untilStatus } from "./observe.ts";
import { whileNothingIsSealed } from "./support/holding.ts";

const many = <T>(n: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));

describe("claims over HTTP", () => {
  let shop: TestParty;
  let employer: TestParty;
  let rival: TestParty;
  let worker: { account: string; token: string };

  const claim = (
    invoices: string[],
    by: { token: string },
    from: TestParty,
    more: Record<string, unknown> = {},
  ): Promise<Reply> =>
    call("POST", "/v1/claims", { employer: from.taxId, invoices, ...more }, { token: by.token });
  const decide = (
    id: string,
    word: string,
    by: { token: string },
    body?: unknown,
  ): Promise<Reply> => call("POST", `/v1/claims/${id}/${word}`, body, { token: by.token });
  /** An untitled invoice that the worker holds. */
  const untitled = (): Promise<string> =>
    issued(shop, { name: "个人（赵一）" }, { holder: worker.account });
  /** An invoice that the worker holds and only the employer may reimburse. */
  const titled = (): Promise<string> => issued(shop, employer, { holder: worker.account });
  const alarms = async (number: string) => {
    const { items } = (await call("GET", `/v1/invoices/${number}/history`)).body;
    return items
      .filter(({ type }: { type: string }) => type === "reimbursement.refused")
      .map(({ data }: { data: unknown }) => data);
  };

  /** How many acts about the invoice this gateway has put into transactions. */
  const operations = async (number: string) =>
    (
      await (await database())<{ n: number }[]>`
      select count(*)::int as n from operations o where o.send is not null and o.command->'invoices' ? ${number}`
    )[0]?.n;

  before(async () => {
    [shop, employer, rival] = await Promise.all([
      taxpayer("餐厅", ["issuer"]),
      taxpayer("雇主", ["employer"]),
      taxpayer("别家雇主", ["employer"]),
    ]);
    worker = await person(employer, "赵一");
  });

  it("a claim of one invoice locks it, and its reimbursement is final, also on the chain", async () => {
    const number = await titled();
    const made = await claim([number], worker, employer, { note: "客户午餐" });
    expect(made.status, JSON.stringify(made.body)).equals(201);
    expect(made.body).deep.includes({
      status: "claimed",
      holder: worker.account,
      note: "客户午餐",
      invoices: [{ number, status: "claimed" }],
    });
    expect(made.body.employer).deep.equals({ taxId: employer.taxId, name: "雇主" });
    expect(await record(number)).deep.equals({
      holder: worker.account,
      employer: employer.index,
      state: "claimed",
      titled: true,
      version: 1,
    });
    const done = await decide(made.body.id, "reimburse", employer);
    expect([done.status, done.body.status, done.body.invoices]).deep.equals([
      200,
      "reimbursed",
      [{ number, status: "reimbursed" }],
    ]);
    expect(await record(number)).deep.includes({ state: "reimbursed", version: 2 });
    expect(await alarms(number)).deep.equals([]);
  });

  it("a claim of a hundred invoices is one act, one reimbursement", async () => {
    const body = invoiceOf(shop, { name: "个人（赵一）" }, { holder: worker.account });
    const numbers = await many(
      100,
      async () =>
        (await must(call("POST", "/v1/invoices", body, { token: shop.token, wait: 0 })))
          .number as string,
    );
    await untilStatus([...numbers].sort()[99] as string, "issued");
    const made = await claim(numbers, worker, employer);
    expect(made.status, JSON.stringify(made.body)).equals(201);
    expect(made.body.invoices).deep.equals(
      [...numbers].sort().map((number) => ({ number, status: "claimed" })),
    );
    const done = await decide(made.body.id, "reimburse", employer);
    expect(
      done.body.invoices.every(({ status }: { status: string }) => status === "reimbursed"),
    ).equals(true);
    const txs = await (await database())<{ n: number }[]>`
      select count(distinct tx)::int as n from feed where type = 'invoice.reimbursed' and number = any(${numbers}::numeric[])`;
    expect(txs[0]?.n, "one transaction").equals(1);
    expect(await record(numbers[57] as string)).deep.includes({ state: "reimbursed", version: 2 });
  });

  it("a claim of a hundred and one invoices, of no invoice, or of one invoice twice is refused", async () => {
    const number = await untitled();
    const numbers = Array.from({ length: 101 }, (_, i) =>
      (26_442_000_000_000_000_000n + BigInt(i)).toString(),
    );
    refused(await claim(numbers, worker, employer), "invalid-request", {
      field: "/invoices",
      rule: "too-big",
    });
    refused(await claim([], worker, employer), "invalid-request", {
      field: "/invoices",
      rule: "too-small",
    });
    refused(await claim([number, number], worker, employer), "ids-not-ascending", {
      field: "/invoices",
      rule: "unique",
    });
    expect((await record(number)).state).equals("untouched");
  });

  it("one bad invoice refuses the whole claim, and the others stay as they are", async () => {
    const [first, second, used, later] = (await many(4, untitled)) as [
      string,
      string,
      string,
      string,
    ];
    await must(claim([used], worker, employer));
    const mixed = refused(await claim([first, used, second], worker, employer), "already-claimed");
    expect(mixed["original"]).deep.includes({ number: used, state: "claimed" });
    for (const number of [first, second]) {
      expect((await record(number)).state).equals("untouched");
      expect(await statusOf(number)).equals("issued");
    }
    // not the holder of one of them
    const foreign = await issued(shop, rival);
    refused(await claim([later, foreign], worker, employer), "not-found");
    expect((await record(later)).state).equals("untouched");
    expect((await claim([first, second, later], worker, employer)).status).equals(201);
  });

  it("only the holder claims, and only sealed invoices", async () => {
    const number = await titled();
    refused(await claim([number], shop, employer), "forbidden"); // a key without the role
    refused(await claim([number], employer, employer), "forbidden"); // its employer, who may see it
    refused(await claim([number], rival, rival), "not-found"); // a stranger
    refused(await claim(["26442999999999999999"], worker, employer), "not-found");
    const unsealed = await whileNothingIsSealed(async () => {
      const accepted = await must(
        call("POST", "/v1/invoices", invoiceOf(shop, employer, { holder: worker.account }), {
          token: shop.token,
          wait: 0,
        }),
      );
      refused(await claim([accepted.number], worker, employer), "invoice-not-sealed");
      return accepted.number as string;
    });
    await untilStatus(unsealed, "issued");
    expect((await claim([unsealed], worker, employer)).status).equals(201);
    const unknown = await call(
      "POST",
      "/v1/claims",
      { employer: "DE000000000", invoices: [number] },
      { token: worker.token },
    );
    refused(unknown, "taxpayer-unknown", { field: "/employer", rule: "employer-enrolled" });
  });

  it("only its employer reimburses a titled invoice, also after a rejection", async () => {
    const number = await titled();
    const original = { number, state: "issued" };
    expect(
      refused(await claim([number], worker, rival), "titled-to-another")["original"],
    ).deep.includes(original);
    const { id } = await must(claim([number], worker, employer));
    await must(decide(id, "reject", employer, { reason: "缺少审批" }));
    refused(await claim([number], worker, rival), "titled-to-another");
    expect(await record(number)).deep.includes({
      state: "issued",
      titled: true,
      employer: employer.index,
    });
    expect((await claim([number], worker, employer)).status).equals(201);
  });

  it("an untitled invoice is free again after a rejection, and its holder reads the reason", async () => {
    const number = await untitled();
    const { id } = await must(claim([number], worker, employer, { note: "打车" }));
    const rejected = await decide(id, "reject", employer, { reason: "超过标准" });
    expect([
      rejected.status,
      rejected.body.status,
      rejected.body.reason,
      rejected.body.note,
    ]).deep.equals([200, "rejected", "超过标准", "打车"]);
    const seen = (await call("GET", `/v1/claims/${id}`, undefined, { token: worker.token })).body;
    expect([seen.status, seen.reason]).deep.equals(["rejected", "超过标准"]);
    // the employer no longer has access to it
    refused(
      await call("GET", `/v1/invoices/${number}`, undefined, { token: employer.token }),
      "not-found",
    );
    expect(await record(number)).deep.includes({ state: "issued", employer: 0, titled: false });
    const second = await must(claim([number], worker, rival));
    refused(await decide(id, "reimburse", employer), "claim-state");
    expect((await decide(second.id, "reimburse", rival)).body.status).equals("reimbursed");
    refused(await decide(second.id, "reject", rival, { reason: "太迟" }), "claim-state");
    expect(
      (await call("GET", `/v1/claims/${second.id}`, undefined, { token: worker.token })).body
        .reason,
    ).equals(undefined);
  });

  it("a repeated decision gets the first outcome: no attempt, no act on the chain, and the answer names the original", async () => {
    const number = await untitled();
    const { id } = await must(claim([number], worker, employer));
    await must(decide(id, "reimburse", employer));
    const before = await operations(number);
    for (let i = 0; i < 3; i++) {
      const again = refused(await decide(id, "reimburse", employer), "already-reimbursed");
      expect(again["original"]).deep.includes({ number, state: "reimbursed" });
      expect(again["original"].since).a("string");
      expect(again["alarm"]).equals(false);
    }
    expect([await alarms(number), await operations(number)]).deep.equals([[], before]);
    expect(await record(number)).deep.includes({
      state: "reimbursed",
      version: 2,
      employer: employer.index,
    });
  });

  it("the chain refuses a claim of a reimbursed invoice and raises an alarm; the same attempt is reported once", async () => {
    const number = await untitled();
    const { id } = await must(claim([number], worker, employer));
    await must(decide(id, "reimburse", employer));
    // claimed again, several times from the same employer and from another one
    for (const from of [employer, rival, employer, rival]) {
      const claimed = refused(await claim([number], worker, from), "already-reimbursed");
      expect(claimed["original"]).deep.includes({ number, state: "reimbursed" });
      expect(claimed["alarm"]).equals(true);
    }
    const attempt = { reason: "already-reimbursed", attempt: "claim" };
    await until("both events are in the feed", async () => (await alarms(number)).length >= 2);
    expect(
      (await alarms(number)).map(({ reason, attempt }: Record<string, unknown>) => ({
        reason,
        attempt,
      })),
    ).deep.equals([attempt, attempt]);
    expect(await record(number)).deep.includes({
      state: "reimbursed",
      version: 2,
      employer: employer.index,
    });
  });

  it("forty reimbursements at once of a reimbursed claim of thirty send nothing to the chain", async () => {
    const body = invoiceOf(shop, { name: "个人（赵一）" }, { holder: worker.account });
    const numbers = await many(
      30,
      async () =>
        (await must(call("POST", "/v1/invoices", body, { token: shop.token, wait: 0 })))
          .number as string,
    );
    await untilStatus([...numbers].sort()[29] as string, "issued");
    const { id } = await must(claim(numbers, worker, employer));
    await must(decide(id, "reimburse", employer));
    const sql = await database();
    const acts = async () =>
      (
        await sql<
          { n: number }[]
        >`select count(*)::int as n from operations where party = ${employer.account}`
      )[0]?.n;
    const before = await acts();
    for (const reply of await many(40, () => decide(id, "reimburse", employer)))
      refused(reply, "already-reimbursed");
    expect(await acts()).equals(before);
    expect(await alarms(numbers[0] as string)).deep.equals([]);
  });

  it("an invoice claimed from one employer cannot be claimed from another, and only that employer decides", async () => {
    const number = await untitled();
    const { id } = await must(claim([number], worker, employer));
    const elsewhere = refused(await claim([number], worker, rival), "already-claimed");
    expect(elsewhere["original"]).deep.includes({ number, state: "claimed" });
    expect(await alarms(number)).deep.equals([{ reason: "already-claimed", attempt: "claim" }]);
    refused(await decide(id, "reimburse", rival), "not-found");
    refused(await decide(id, "reject", rival, { reason: "不关我事" }), "not-found");
    refused(await decide(id, "reimburse", worker), "forbidden");
    refused(await decide(id, "withdraw", rival), "not-found");
    expect((await record(number)).employer).equals(employer.index);
  });

  it("of twenty claims of one invoice at once one succeeds", async () => {
    const number = await untitled();
    const replies = await many(20, (i) => claim([number], worker, i % 2 ? employer : rival));
    expect(replies.filter(({ status }) => status === 201)).lengthOf(1);
    for (const reply of replies.filter(({ status }) => status !== 201)) {
      expect(refused(reply, "already-claimed")["original"]).deep.includes({
        number,
        state: "claimed",
      });
    }
    expect((await record(number)).version).equals(1);
  });

  it("of twenty reimbursements of one claim at once one succeeds, and nineteen answers say so", async () => {
    const number = await untitled();
    const { id } = await must(claim([number], worker, employer));
    const replies = await many(20, () => decide(id, "reimburse", employer));
    expect(replies.filter(({ status }) => status === 200)).lengthOf(1);
    for (const reply of replies.filter(({ status }) => status !== 200)) {
      expect(refused(reply, "already-reimbursed")["original"]).deep.includes({
        number,
        state: "reimbursed",
      });
    }
    expect(await record(number)).deep.includes({ state: "reimbursed", version: 2 });
    const events = (await call("GET", `/v1/invoices/${number}/history`)).body.items.map(
      ({ type }: { type: string }) => type,
    );
    expect(events.filter((type: string) => type === "invoice.reimbursed")).lengthOf(1);
    // the claim and one decision
    expect(await operations(number)).equals(2);
    expect(await alarms(number)).deep.equals([]);
  });

  it("of a reimbursement and a rejection at the same moment one takes effect, and the reason shown is that one's", async () => {
    const number = await untitled();
    const { id } = await must(claim([number], worker, employer));
    const [paid, rejected] = await Promise.all([
      decide(id, "reimburse", employer),
      decide(id, "reject", employer, { reason: "撤回付款" }),
    ]);
    const shown = (await call("GET", `/v1/claims/${id}`, undefined, { token: worker.token })).body;
    const { state } = await record(number);
    if (paid.status === 200) {
      expect([rejected.status, shown.status, shown.reason, state]).deep.equals([
        409,
        "reimbursed",
        undefined,
        "reimbursed",
      ]);
    } else {
      expect([rejected.status, shown.status, shown.reason, state]).deep.equals([
        200,
        "rejected",
        "撤回付款",
        "issued",
      ]);
    }
  });

  it("a suspended employer gets no claims and pays nothing, but may reject", async () => {
    const firm = await taxpayer("停牌雇主", ["employer"]);
    const [claimed, free] = (await many(2, untitled)) as [string, string];
    const { id } = await must(claim([claimed], worker, firm));
    await must(call("PATCH", `/v1/taxpayers/${firm.taxId}`, { standing: "suspended" }));
    refused(await claim([free], worker, firm), "employer-not-active");
    refused(await decide(id, "reimburse", firm), "employer-not-active");
    expect((await record(claimed)).state).equals("claimed");
    expect((await decide(id, "reject", firm, { reason: "公司停业" })).body.status).equals(
      "rejected",
    );
    expect((await record(free)).state).equals("untouched");
  });

  it("claims are listed newest first, for their holder and for their employer", async () => {
    const firm = await taxpayer("列表雇主", ["employer"]);
    const someone = await person(firm, "钱二");
    const ids: string[] = [];
    let first = "";
    for (let i = 0; i < 4; i += 1) {
      const number = await issued(shop, { name: "钱二" }, { holder: someone.account });
      if (first === "") first = number;
      ids.unshift((await must(claim([number], someone, firm))).id);
    }
    for (const token of [someone.token, firm.token]) {
      const listed = (await call("GET", "/v1/claims", undefined, { token })).body.items.map(
        ({ id }: { id: string }) => id,
      );
      expect(listed).deep.equals(ids);
      const page = (
        await call("GET", `/v1/claims?limit=2&before=${ids[1]}`, undefined, { token })
      ).body.items.map(({ id }: { id: string }) => id);
      expect(page).deep.equals(ids.slice(2));
    }
    // by state: decided claims leave the submitted ones; claims that the chain refused are in
    // neither list
    const idsIn = async (status: string, token = firm.token) =>
      (
        await must(call("GET", `/v1/claims?status=${status}&limit=100`, undefined, { token }))
      ).items.map(({ id }: { id: string }) => id);
    const before = await idsIn("refused", rival.token);
    const again = await call(
      "POST",
      "/v1/claims",
      { employer: rival.taxId, invoices: [first] },
      { token: someone.token },
    );
    refused(again, "already-claimed");
    await must(decide(ids[3] as string, "reject", firm, { reason: "缺附件" }));
    expect(await idsIn("claimed")).deep.equals(ids.slice(0, 3));
    expect(await idsIn("rejected")).deep.equals(ids.slice(3));
    expect(await idsIn("submitted")).deep.equals([]);
    expect((await idsIn("refused", rival.token)).slice(1)).deep.equals(before);
    expect(
      (await call("GET", "/v1/claims?status=lost", undefined, { token: firm.token })).status,
    ).equals(422);
  });

  // the last test: it moves the chain's clock, which all files of a run share
  it("the holder withdraws a claim after the claim term and not before", async () => {
    const { rpcUrl, deployment } = await sandbox();
    const [first, second] = (await many(2, untitled)) as [string, string];
    const { id } = await must(claim([first], worker, employer));
    const { id: paid } = await must(claim([second], worker, employer));
    await must(decide(paid, "reimburse", employer));
    refused(await decide(id, "withdraw", worker), "claim-term-running");
    expect((await record(first)).state).equals("claimed");
    await passTime(rpcUrl, deployment.claimTermSeconds);
    const { status, body } = await decide(id, "withdraw", worker);
    expect([status, body.status]).deep.equals([200, "withdrawn"]);
    expect(await record(first)).deep.includes({ state: "issued", employer: 0 });
    refused(await decide(paid, "withdraw", worker), "claim-state");
    refused(await decide(id, "reimburse", employer), "claim-state");
    expect((await claim([first], worker, rival)).status).equals(201);
  });
});
