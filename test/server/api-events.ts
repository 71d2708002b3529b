/**
 * The feed over HTTP: who sees which event, pages that skip nothing, and streams that continue
 * after network failures.
 */
import { readFileSync } from "node:fs";
import { get as httpGet, type IncomingMessage } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { externalHex } from "@onepiao/protocol/ledger/external.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import { passTime } from "../../sandbox/chain.ts";
import { enqueue, find, type NewOperation } from "../../server/acts/operations.ts";
import { eventRoutes } from "../../server/api/events.ts";
import { openChanges, openDb, type Sql } from "../../server/db/db.ts";
import { eventData } from "../../server/features/out/event-data.ts";
import {
  createEvents,
  type EventType,
  eventTypes,
  MAX_STREAMS,
  typesOf,
} from "../../server/features/out/events.ts";
import { callers, createApiKey } from "../../server/features/parties/api-keys.ts";
import { createSessions } from "../../server/features/parties/browser-sessions.ts";
import { notify } from "../../server/feed/notices.ts";
import { createTail } from "../../server/feed/tail.ts";
import { createApp } from "../../server/http/app.ts";
import { listen } from "../../server/http/server.ts";
import { type Role, roles } from "../../server/kernel/api.ts";
import { createLog } from "../../server/kernel/log.ts";
import { openVault } from "../../server/keys/vault.ts";
import {
  call,
  invoiceOf,
  issued,
  type Loose,
  must,
  ownKey,
  person,
  sandbox,
  type TestParty,
  taxpayer,
} from "./network.ts";
import { database, period, refused } from "./observe.ts";
import {
  adjustBy,
  admissionBy,
  decisionBy,
  entryBy,
  freshExternalId,
  openDatabase,
} from "./support/bench.ts";
import { until } from "./support/proxy.ts";
import { openStream, type Stream } from "./support/sse.ts";

type Party = { account: string; token: string };

/** All events that a key sees after a position, page by page. */
async function all(token: string, after: string, query = ""): Promise<Loose[]> {
  const items: Loose[] = [];
  for (let at = after; ; ) {
    const page = await must(call("GET", `/v1/events?after=${at}${query}`, undefined, { token }));
    items.push(...page.items);
    at = page.next;
    if (!page.more) return items;
  }
}

describe("the feed over HTTP", () => {
  let shop: TestParty;
  let firm: TestParty;
  let rival: TestParty;
  let till: Party;
  let cashier: Party;
  let ann: Party;
  let bob: Party;
  let bureau: string;
  let start: string;
  /** The invoices and other objects of these events, by the names that the table uses. */
  const n: Record<string, string> = {};
  const c: Record<string, string> = {};

  before(async () => {
    bureau = (await sandbox()).bureau.token;
    start = (await must(call("GET", "/v1/events?after=999999999999999999"))).next;
    const head = (await all(bureau, "0")).at(-1);
    start = head?.position ?? "0";
    [shop, firm, rival] = await Promise.all([
      taxpayer("店", ["issuer", "employer"]),
      taxpayer("雇主", ["employer"]),
      taxpayer("别家", ["employer"]),
    ]);
    [ann, bob] = await Promise.all([person(firm, "安"), person(firm, "波")]);
    const key = async (roles: string[]) => ({
      account: shop.account,
      token: (
        await must(
          call("POST", "/v1/api-keys", { account: shop.account, roles }, { token: shop.token }),
        )
      ).token,
    });
    [till, cashier] = await Promise.all([key(["issuer"]), key(["employer"])]);
    await history();
  });

  const act = (path: string, by: Party, body?: unknown) =>
    must(call("POST", path, body, { token: by.token }));
  const refuse = async (path: string, by: Party, body?: unknown) =>
    expect((await call("POST", path, body, { token: by.token })).status).equals(409);

  /** Acts without a call of their own: done, or refused with this code. */
  async function onChain(operation: NewOperation, refused?: string): Promise<void> {
    const sql = await database();
    const id = await sql.begin((tx) => enqueue(tx, operation));
    const ended = await until(`a ${operation.kind} ends`, async () => {
      const row = await find(sql, id);
      return row && ["done", "refused", "failed"].includes(row.status) ? row : undefined;
    });
    expect(ended.problem?.code).equals(refused);
  }

  /** At least one event of each type. */
  async function history() {
    n["one"] = await issued(shop, { name: "个人" }, { holder: ann.account });
    const { id } = await act(`/v1/invoices/${n["one"]}/transfers`, ann, { to: bob.account });
    await act(`/v1/transfers/${id}/accept`, bob);
    const claim = (invoice: string | undefined, by: Party, from: TestParty) =>
      act("/v1/claims", by, { employer: from.taxId, invoices: [invoice] });
    c["rejected"] = (await claim(n["one"], bob, firm)).id;
    await act(`/v1/claims/${c["rejected"]}/reject`, firm, { reason: "缺签字" });
    c["paid"] = (await claim(n["one"], bob, firm)).id;
    await act(`/v1/claims/${c["paid"]}/reimburse`, firm);
    // the holder claims it from another employer, and the first employer reimburses it again
    await refuse("/v1/claims", bob, { employer: rival.taxId, invoices: [n["one"]] });
    await onChain(decisionBy("Reimburse", firm, n["one"] ?? ""), "already-reimbursed");
    await onChain(entryBy(firm, 2, n["one"] ?? ""));
    // an external invoice, admitted by two employers
    n["elsewhere"] = freshExternalId();
    await onChain(admissionBy(firm, ann.account, n["elsewhere"]));
    await onChain(admissionBy(rival, bob.account, n["elsewhere"]), "already-claimed");
    // titled, and reversed while it is unused
    n["two"] = await issued(shop, firm);
    const whole = invoiceOf(shop, firm);
    const [line] = whole.lines as [(typeof whole.lines)[0]];
    const lines = [{ ...line, quantity: "-1", amount: "-188.68", tax: "-11.32" }];
    const red = {
      ...whole,
      reverses: { number: n["two"] },
      lines,
      totals: { net: "-188.68", tax: "-11.32", gross: "-200.00" },
    };
    n["red"] = (await act("/v1/invoices", shop, red)).number;
    n["sheet"] = (
      await must(
        call("GET", `/v1/invoices/${n["two"]}/red-letters`, undefined, { token: shop.token }),
      )
    ).items[0].id;
    // the shop as an employer, and a claim that its holder withdraws
    n["three"] = await issued(shop, { name: "个人" }, { holder: ann.account });
    const adjusted = adjustBy(shop, n["three"]);
    n["adjustment"] = (adjusted.command as { ref: string }).ref;
    await onChain(adjusted);
    c["withdrawn"] = (await claim(n["three"], ann, shop)).id;
    const { rpcUrl, deployment } = await sandbox();
    await passTime(rpcUrl, deployment.claimTermSeconds);
    await act(`/v1/claims/${c["withdrawn"]}/withdraw`, ann);
    for (const standing of ["suspended", "active"])
      await must(call("PATCH", `/v1/taxpayers/${rival.taxId}`, { standing }));
    for (const open of [false, true]) await must(call("PATCH", "/v1/ledger", { open }));
    const rotation = { key: await ownKey(rival, Wallet.createRandom()) };
    await must(call("POST", `/v1/taxpayers/${rival.taxId}/key-rotations`, rotation));
    await must(
      call(
        "POST",
        `/v1/taxpayers/${shop.taxId}/quota/draws`,
        { direction: "give-back", amount: "1.00" },
        { token: shop.token },
      ),
    );
  }

  const brief = ({ type, number, external, data }: Loose) => [type, number ?? external, data];

  it("each party sees its own events with its own members; the bureau sees all events, and who attempted an act", async () => {
    const ref = (id: string | undefined) =>
      events.find((event) => event.data.claim === id)?.data.ref as string;
    // notices come with the next block
    const events = await until("the red letter's events are in the feed", async () => {
      const seen = await all(bureau, start);
      return ["red-letter.changed", "red-letter.issued"].every((type) =>
        seen.some((event) => event.type === type),
      )
        ? seen
        : undefined;
    });
    const claimed = (id: string | undefined, employer: TestParty) => ({
      claim: id,
      ref: ref(id),
      employer: employer.index,
    });
    const lot = (number: string | undefined) => ({ lot: number });
    const transfer = { from: ann.account, to: bob.account };
    const refOf = (number: string | undefined) =>
      events.find((event) => event.number === number && event.type === "invoice.reversed")?.data
        .ref as string;
    const elsewhere = externalHex(n["elsewhere"] ?? "0");
    // the signed acts, in the order of the attempts
    const acts = events
      .filter((event) => event.type === "reimbursement.refused")
      .map((event) => event.data.act as string);
    expect(acts.every((id) => /^0x[0-9a-f]{64}$/.test(id)) && new Set(acts).size).equals(3);
    const admitted = {
      ref: events.find((event) => event.external === elsewhere)?.data.ref as string,
      employer: firm.index,
    };
    const entered = {
      mark: "02",
      act: events.find((event) => event.type === "invoice.entered")?.data.act as string,
      employer: firm.index,
    };
    // event, who sees it, which members of it, which further members the bureau sees
    type Row = [
      type: string,
      number: string | undefined,
      seenBy: Party[],
      data: object,
      bureau?: object,
    ];
    const table: Row[] = [
      ["invoice.issued", n["one"], [shop, till, cashier, ann], lot(n["one"])],
      ["invoice.transferred", n["one"], [ann, bob], transfer],
      ["claim.created", n["one"], [bob, firm], claimed(c["rejected"], firm)],
      ["claim.rejected", n["one"], [bob, firm], claimed(c["rejected"], firm)],
      ["claim.created", n["one"], [bob, firm], claimed(c["paid"], firm)],
      ["invoice.reimbursed", n["one"], [bob, firm], claimed(c["paid"], firm)],
      [
        "reimbursement.refused",
        n["one"],
        [bob],
        { reason: "already-reimbursed", attempt: "claim" },
        { by: bob.account, employer: rival.index, act: acts[0] },
      ],
      [
        "reimbursement.refused",
        n["one"],
        [bob, firm],
        { reason: "already-reimbursed", attempt: "reimburse" },
        { by: firm.account, employer: firm.index, act: acts[1] },
      ],
      ["invoice.entered", n["one"], [firm], entered],
      ["claim.created", elsewhere, [ann, firm], admitted],
      [
        "reimbursement.refused",
        elsewhere,
        [ann, rival],
        { reason: "already-claimed", attempt: "admit" },
        { by: rival.account, employer: rival.index, act: acts[2] },
      ],
      ["invoice.issued", n["two"], [shop, till, cashier, firm], lot(n["two"])],
      ["invoice.issued", n["red"], [shop, till, cashier, firm], lot(n["red"])],
      [
        "invoice.reversed",
        n["two"],
        [shop, till, cashier, firm],
        { redLetter: n["sheet"], ref: refOf(n["two"]) },
      ],
      [
        "red-letter.changed",
        n["two"],
        [shop, till, cashier, firm],
        { redLetter: n["sheet"], status: "01" },
      ],
      [
        "red-letter.issued",
        n["two"],
        [shop, till, cashier, firm],
        { redLetter: n["sheet"], issued: n["red"] },
      ],
      ["invoice.issued", n["three"], [shop, till, cashier, ann], lot(n["three"])],
      ["invoice.adjusted", n["three"], [shop, till, cashier, ann], { ref: n["adjustment"] }],
      ["claim.created", n["three"], [ann, shop, cashier], claimed(c["withdrawn"], shop)],
      ["claim.withdrawn", n["three"], [ann, shop, cashier], claimed(c["withdrawn"], shop)],
      ["taxpayer.suspended", undefined, [rival], { taxpayer: rival.index, standing: "suspended" }],
      ["taxpayer.reinstated", undefined, [rival], { taxpayer: rival.index, standing: "active" }],
      ["ledger.closed", undefined, [shop, till, cashier, firm, rival, ann, bob], {}],
      ["ledger.opened", undefined, [shop, till, cashier, firm, rival, ann, bob], {}],
    ];
    const listedTypes = new Set(table.map(([type]) => type));
    const among = (seen: Loose[]) => seen.filter((event) => listedTypes.has(event.type)).map(brief);
    for (const [name, party] of Object.entries({ shop, till, cashier, firm, rival, ann, bob })) {
      const expected = table
        .filter(([, , seenBy]) => seenBy.includes(party))
        .map(([type, number, , data]) => [type, number, data]);
      // red letter and reversal come in separate transactions, in either order
      expect(among(await all(party.token, start)), name).have.deep.members(expected);
    }
    const everything = table.map(([type, number, , data, more]) => [
      type,
      number,
      { ...data, ...more },
    ]);
    expect(among(events)).have.deep.members(everything);
  });

  it("a taxpayer gets the events of the bureau's acts on it, and its keys see them by their roles", async () => {
    const [shops, tills, cashiers, rivals] = await Promise.all(
      [shop, till, cashier, rival].map(({ token }) => all(token, start)),
    );
    const types = (events: Loose[] | undefined) =>
      [
        ...new Set(
          (events ?? [])
            .map((event) => event.type)
            .filter((type) => /^(taxpayer|quota|segment|key)/.test(type)),
        ),
      ].sort();
    expect(types(shops)).deep.equals([
      "quota.drawn",
      "quota.given-back",
      "quota.set",
      "segment.allotted",
      "taxpayer.enrolled",
    ]);
    expect(types(tills)).deep.equals(types(shops));
    expect(types(cashiers)).deep.equals(["taxpayer.enrolled"]);
    expect(types(rivals)).deep.equals([
      "key.rotated",
      "taxpayer.enrolled",
      "taxpayer.reinstated",
      "taxpayer.suspended",
    ]);
    const dataOf = (type: string) =>
      shops?.filter((event) => event.type === type).map((event) => event.data);
    expect(dataOf("taxpayer.enrolled")).deep.equals([
      { taxpayer: shop.index, account: shop.account },
    ]);
    expect(dataOf("quota.set")).deep.equals([
      { taxpayer: shop.index, period: period(), granted: "100000000" },
    ]);
    // each type has a reader here, or it would lack a test; only the bureau sees the auditor's
    // alarms
    const { bureau: owner } = await sandbox();
    await (await database()).begin((tx) =>
      notify(tx, [
        {
          type: "audit.alarm",
          accounts: [owner.account],
          data: { kind: "documents-missing", issuer: shop.index, subject: "1" },
        },
        // types without a test in this file, or that a lone gateway does not create
        {
          type: "external.conflict",
          number: "26442000000000009999",
          accounts: [firm.account],
          data: { differs: ["seller"] },
          bureau: { by: firm.account, employer: firm.index, claim: crypto.randomUUID() },
        },
        {
          type: "external.near-duplicate",
          number: "26442000000000009999",
          accounts: [firm.account],
          data: { same: ["seller"], other: "26442000000000009998" },
          bureau: { by: firm.account, employer: firm.index, claim: crypto.randomUUID() },
        },
        {
          type: "external.credited",
          number: "26442000000000009999",
          accounts: [firm.account],
          data: { effect: "reduces", claim: crypto.randomUUID(), overpaid: false },
          bureau: {
            employer: firm.index,
            recorder: firm.index,
            credit: crypto.randomUUID(),
          },
        },
        {
          type: "invoice.imported",
          number: "26442000000000009999",
          accounts: [shop.account],
          data: { lot: "26442000000000009999", state: "issued" },
        },
        {
          type: "transfer.ended",
          number: "26442000000000009999",
          accounts: [shop.account],
          data: { transfer: "", from: ann.account, to: bob.account, status: "declined" },
        },
      ]),
    );
    await until("the event is in the feed", async () =>
      (await all(bureau, start)).some(
        (event) => event.type === "invoice.imported" && event.tx === undefined,
      ),
    );
    expect((await all(shop.token, start)).map((event) => event.type)).not.includes("audit.alarm");
    expect(
      [...new Set((await all(bureau, start)).map((event) => event.type))].sort(),
    ).includes.members(Object.keys(eventTypes).sort());
  });

  it("the table in docs/events.md has every type with its roles and all members of its data", async () => {
    const rows = readFileSync(new URL("../../docs/events.md", import.meta.url), "utf8").matchAll(
      /^\| `([a-z.-]+)` \|[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm,
    );
    const words = (text = "") =>
      text
        .split(",")
        .map((word) => word.trim())
        .filter(Boolean)
        .sort();
    const documented = new Map(
      [...rows].map(([, type = "", by = "", data, more]) => [
        type,
        {
          roles: by.trim() === "all" ? [...roles].sort() : words(by),
          data: words(data),
          more: words(more),
        },
      ]),
    );
    expect([...documented].map(([type, row]) => [type, row.roles])).have.deep.members(
      Object.entries(eventTypes).map(([type, by]) => [type, [...by].sort()]),
    );
    for (const { type, data } of await all(bureau, start)) {
      const row = documented.get(type) ?? { data: [], more: [] };
      // a claim or a red letter that another gateway made has no id here
      const written = [...row.data, ...row.more].filter(
        (word) => !["claim", "redLetter"].includes(word) || word in data,
      );
      expect(Object.keys(data).sort(), type).deep.equals(written.sort());
      // the client's types are those of these schemas
      const read = eventData[type as EventType].strict().safeParse(data);
      expect(read.error?.message, type).equals(undefined);
    }
  });

  it("an event names its position on the chain, and its id is its position in the feed", async () => {
    const events = await all(bureau, start);
    const { rpcUrl } = await sandbox();
    const [event] = events.filter(
      (notice) => notice.type === "invoice.reimbursed" && notice.number === n["one"],
    );
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "eth_getTransactionReceipt",
      params: [event.tx],
    });
    const { result } = (await (
      await fetch(rpcUrl, { method: "POST", body, headers: { "content-type": "application/json" } })
    ).json()) as Loose;
    expect(event).includes({ version: 1, id: event.position, block: Number(result.blockNumber) });
    expect(result.logs.map((log: Loose) => Number(log.logIndex))).includes(event.logIndex);
    const positions = events.map((notice) => BigInt(notice.position));
    expect(positions).deep.equals([...positions].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(positions).size).equals(positions.length);
  });

  it("pages of every size and filter give the same events, each once", async () => {
    // the network continues in the meantime: later events come after this position
    const end = BigInt((await all(bureau, start)).at(-1)?.position ?? 0);
    for (const { token } of [{ token: bureau }, shop, bob]) {
      const pages = async (query = "") =>
        (await all(token, start, query)).filter((event) => BigInt(event.position) <= end);
      const whole = await pages();
      for (const limit of [1, 3, 7]) expect(await pages(`&limit=${limit}`)).deep.equals(whole);
      const chosen = ["claim.created", "invoice.issued"];
      expect(await pages(`&types=${chosen}&limit=2`)).deep.equals(
        whole.filter((event) => chosen.includes(event.type)),
      );
      expect(await pages(`&number=${n["one"]}&limit=2`)).deep.equals(
        whole.filter((event) => event.number === n["one"]),
      );
    }
    const page = await must(
      call("GET", `/v1/events?after=${start}&types=key.rotated`, undefined, { token: bob.token }),
    );
    expect([page.items, page.more]).deep.equals([[], false]);
    expect(BigInt(page.next) > BigInt(start)).equals(true);
  });

  it("a page about another party's invoice is empty, and an invalid query is refused", async () => {
    expect(await all(rival.token, "0", `&number=${n["one"]}`)).deep.equals([]);
    const ask = (query: string) =>
      call("GET", `/v1/events?${query}`, undefined, { token: shop.token });
    refused(await ask("after=-1"), "invalid-request", { field: "?after", rule: "format" });
    refused(await ask("after=9999999999999999999"), "invalid-request", {
      field: "?after",
      rule: "format",
    });
    refused(await ask("types=invoice.eaten"), "invalid-request");
    refused(await ask("limit=101"), "invalid-request", { field: "?limit", rule: "too-big" });
    expect((await call("GET", "/v1/events", undefined, { token: "" })).status).equals(401);
  });

  it("a stream cut by a restart of the gateway continues with the event after the last one: each event once", async () => {
    const place = await sandbox();
    const first = await openStream(place.url, shop.token);
    await until("the stream is open", () => first.frames.length > 0);
    const numbers = [await issued(shop, { name: "个人" }, { holder: ann.account })];
    await until("the event has arrived", () => first.events().length === 1);
    await place.restart();
    await until("the stream has ended", () => first.ended());
    numbers.push(
      await issued(shop, { name: "个人" }, { holder: ann.account }),
      await issued(shop, { name: "个人" }, { holder: ann.account }),
    );
    const second = await openStream(place.url, shop.token, {
      lastEventId: first.lastId() as string,
      query: "?after=0",
    });
    await until("the events have arrived", () => second.events().length >= 2);
    numbers.push(await issued(shop, { name: "个人" }, { holder: ann.account }));
    await until("the last event has arrived", () => second.events().length >= 3);
    second.close();
    const seen = [...first.events(), ...second.events()];
    expect(seen.map((event) => event.number)).deep.equals(numbers);
    expect(seen).deep.equals(await all(shop.token, (BigInt(seen[0].position) - 1n).toString()));
  });
});

describe("event streams", () => {
  let database: Awaited<ReturnType<typeof openDatabase>>;
  let sql: Sql;
  const account = `0x${"a".repeat(40)}`;
  const other = `0x${"b".repeat(40)}`;
  const tokens: Record<string, string> = {};
  const open: (() => unknown)[] = [];
  let last = 1_000_000_000n;

  before(async () => {
    database = await openDatabase();
    sql = database.sql;
    for (const party of [account, other]) {
      await sql`insert into parties (account, kind, sealed, created_by) values (${party}, 'taxpayer', ${Buffer.alloc(1)}, ${party})`;
      tokens[party] = await newKey(party);
    }
  });
  after(() => database.close());
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  const newKey = (party: string, roles: Role[] = ["issuer", "employer", "holder"]) =>
    createApiKey(sql, { account: party, roles, createdBy: party });

  /** One gateway process that serves only the feed. */
  async function serve(heartbeatMs = 200) {
    const own = openDb(database.url, { connections: 8 });
    const changes = await openChanges(own);
    const log = createLog("silent");
    let asked = 0;
    const counted = Object.assign((...query: Parameters<typeof own>) => {
      asked += 1;
      return own(...query);
    }, own) as unknown as Sql;
    const tail = createTail({ sql: counted, changes, log, keep: 50, pollMs: 100 });
    const stopping = new AbortController();
    const config = {
      MAX_BODY_BYTES: 1_000,
      RATE_PER_MINUTE: 100_000,
      PUBLIC_RATE_PER_MINUTE: 100_000,
      WAIT_MAX_SECONDS: 1,
    };
    const app = createApp({
      callers,
      sql: own,
      vault: await openVault(own, "11".repeat(32)),
      changes,
      log,
      routes: eventRoutes(
        createEvents({
          sql: counted,
          tail,
          sessions: createSessions({ secure: true }),
          heartbeatMs,
        }),
      ),
      config,
      readiness: async () => ({ ok: true, checks: {} }),
      version: "0",
      stopping: stopping.signal,
    });
    const server = await listen(app, { host: "127.0.0.1", port: 0 });
    const stop = async () => {
      stopping.abort();
      await server.close(500);
      await tail.stop();
      await changes.close();
      await own.end({ timeout: 1 });
    };
    open.push(stop);
    return { url: server.url, queries: () => asked };
  }
  async function stream(
    url: string,
    more: { lastEventId?: string; query?: string; of?: string; token?: string } = {},
  ): Promise<Stream> {
    const opened = await openStream(
      url,
      more.token ?? (tokens[more.of ?? account] as string),
      more,
    );
    open.push(() => opened.close());
    return opened;
  }
  /** Rows as the follower writes them; `filler` makes them longer. */
  async function tell(
    accounts: string[],
    count: number,
    filler = 0,
    type = "invoice.issued",
  ): Promise<string[]> {
    const rows = Array.from({ length: count }, () => {
      last += 2_048n;
      const data = sql.json({ filler: "x".repeat(filler) });
      return { position: last, type, number: null, accounts, data, at: new Date(), tx: "0x00" };
    });
    await sql.begin(async (tx) => {
      for (let i = 0; i < rows.length; i += 1_000)
        await tx`insert into feed ${tx(rows.slice(i, i + 1_000) as never, "position", "type", "number", "accounts", "data", "at", "tx")}`;
      await tx`select pg_notify('changes', '')`;
    });
    return rows.map((row) => row.position.toString());
  }
  /** Bytes that this process cannot free. */
  function held(): number {
    setFlagsFromString("--expose-gc");
    (runInNewContext("gc") as () => void)();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }
  const ids = (opened: Stream) => opened.events().map((event) => event.id);

  it("a page with a rare filter ends where its search ended, and the next pages find every event", async () => {
    const { url } = await serve();
    const from = last;
    const expected: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      await tell([account], 1_150);
      expected.push(...(await tell([account], 1, 0, "claim.created")));
    }
    const page = async (after: string) => {
      const answer = await fetch(`${url}/v1/events?after=${after}&types=claim.created`, {
        headers: { authorization: `Bearer ${tokens[account]}` },
      });
      return (await answer.json()) as { items: { id: string }[]; next: string; more: boolean };
    };
    const first = await page(from.toString());
    expect([first.items, first.more]).deep.equals([[], true]);
    const seen: string[] = [];
    let [at, pages] = [first, 1];
    for (; at.more; pages += 1) {
      at = await page(at.next);
      seen.push(...at.items.map((event) => event.id));
    }
    expect(seen).deep.equals(expected);
    expect([at.next, pages]).deep.equals([last.toString(), 4]);
  });

  it("no page goes beyond a row that is not committed yet", async () => {
    const { url } = await serve();
    const page = async (after: bigint, query = "") => {
      const answer = await fetch(`${url}/v1/events?after=${after}${query}`, {
        headers: { authorization: `Bearer ${tokens[account]}` },
      });
      const { items, next } = (await answer.json()) as { items: { id: string }[]; next: string };
      return { ids: items.map((event) => event.id), next: BigInt(next) };
    };
    const before = last;
    last += 2_048n;
    const ownPosition = last;
    await sql.begin(async (tx) => {
      const row = {
        position: ownPosition,
        type: "claim.created",
        number: null,
        accounts: [account],
        data: sql.json({}),
        at: new Date(),
        tx: "0x00",
      };
      await tx`insert into feed ${tx([row] as never, "position", "type", "number", "accounts", "data", "at", "tx")}`;
      for (const query of ["", "&types=invoice.issued", "&number=26442000000000000001"])
        expect((await page(before, query)).next).equals(before);
    });
    expect(await page(before)).deep.equals({ ids: [ownPosition.toString()], next: ownPosition });
    expect(await page(before, "&types=invoice.issued")).deep.equals({ ids: [], next: ownPosition });
  });

  it("a comment comes at once, then heartbeats, then each event as it happens, only the party's own", async () => {
    const { url } = await serve(150);
    await tell([account], 3);
    const listener = await stream(url);
    expect(listener.status).equals(200);
    expect(listener.headers.get("content-type")).equals("text/event-stream");
    expect(listener.headers.get("x-accel-buffering")).equals("no");
    expect(listener.headers.get("cache-control")).includes("no-store").and.includes("no-transform");
    expect(listener.headers.get("content-encoding")).equals(null);
    await until("the first comment", () => listener.frames.length > 0);
    expect(listener.frames[0]).includes({ comment: true, retry: 2_000, id: last.toString() });
    await until("heartbeats", () => listener.frames.filter((frame) => frame.comment).length >= 4);
    expect(ids(listener)).deep.equals([]);
    await tell([other], 2);
    const ownIds = await tell([account, other], 2);
    const everybody = await tell(["*"], 1);
    await until("the events have arrived", () => ids(listener).length === 3);
    expect(ids(listener)).deep.equals([...ownIds, ...everybody]);
    expect(listener.frames.find((frame) => frame.data)).includes({
      event: "invoice.issued",
      id: ownIds[0],
    });
  });

  it("after a cut the next stream begins after the last id, header before query, from memory or from the database", async () => {
    const { url } = await serve();
    const listener = await stream(url);
    await until("the tail follows", () => listener.frames.length > 0);
    const written = await tell([account], 300);
    await until("all events have arrived", () => ids(listener).length === 300);
    expect(ids(listener)).deep.equals(written);
    // 50 rows are in memory
    for (const seen of [0, 120, 249, 250, 251, 299]) {
      const again = await stream(url, { lastEventId: written[seen] as string, query: "?after=1" });
      await until("the remaining events have arrived", () => ids(again).length === 299 - seen);
      expect(ids(again)).deep.equals(written.slice(seen + 1));
    }
    const first = await stream(url, { query: `?after=${written[290]}` });
    await until("the query counts", () => ids(first).length === 9);
  });

  it("a quiet stream's heartbeat moves its id, so that a reconnect reads no row twice", async () => {
    const { url } = await serve(100);
    const listener = await stream(url);
    await until("the stream is open", () => listener.frames.length > 0);
    const foreign = await tell([other], 5);
    await until("the id has moved past the foreign events", () => listener.lastId() === foreign[4]);
    expect(ids(listener)).deep.equals([]);
  });

  it("an id of another feed, or one too far back, gets resync and the end", async () => {
    const { url } = await serve();
    const beyond = await stream(url, { lastEventId: (last + 1n).toString() });
    await until("the stream has ended", () => beyond.ended());
    expect(beyond.frames.at(-1)).deep.includes({
      event: "resync",
      data: { after: (last + 1n).toString(), head: last.toString() },
    });
    const from = last;
    await tell([other], 10_001);
    const written = await tell([account], 10_000);
    const enough = await stream(url, { lastEventId: from.toString() });
    await until("ten thousand events are sent", () => ids(enough).length === 10_000);
    expect(ids(enough)).deep.equals(written);
    await tell([account], 1);
    const far = await stream(url, { lastEventId: from.toString() });
    await until("the stream has ended", () => far.ended());
    expect([far.frames.at(-1)?.event, ids(far)]).deep.equals(["resync", []]);
    const { status, problem: body, headers } = await stream(url, { lastEventId: "yesterday" });
    refused({ status, body, headers }, "invalid-request", {
      field: "Last-Event-ID",
      rule: "position",
    });
  });

  it("a client that does not read slows down no other client, and the memory for it does not grow", async () => {
    const { url } = await serve();
    const asked = httpGet(`${url}/v1/events/stream`, {
      headers: { authorization: `Bearer ${tokens[account]}` },
    });
    open.push(() => void asked.destroy());
    const slow = await new Promise<IncomingMessage>((resolve) => asked.once("response", resolve));
    slow.pause();
    const quick = await stream(url);
    await until("the quick stream is open", () => quick.frames.length > 0);
    const written: string[] = [];
    let before = 0;
    // 50 MB for each stream; sockets hold a few MB
    for (let i = 0; i < 25; i += 1) {
      written.push(...(await tell([account], 100, 20_000)));
      await until("the quick stream has them", () => ids(quick).length === 100);
      expect(ids(quick)).deep.equals(written.slice(-100));
      quick.frames.length = 0;
      // after the sockets are full
      if (i === 4) before = held();
    }
    await until("the process frees the newer events", () => held() - before < 20_000_000);
    let text = "";
    slow.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk.replaceAll(/x{100,}/g, "");
    });
    slow.resume();
    await until(
      "the slow client reads all of it",
      () => (text.match(/^id: \d+$/gm)?.length ?? 0) > written.length,
      30_000,
    );
    expect(text.match(/^id: \d+$/gm)?.slice(-written.length)).deep.equals(
      written.map((id) => `id: ${id}`),
    );
  });

  it("all streams of a process share one reader: its reads do not grow with their number", async () => {
    const { url, queries } = await serve(60_000);
    const streams = await Promise.all(Array.from({ length: 15 }, () => stream(url)));
    await until("all streams are open", () =>
      streams.every((listener) => listener.frames.length > 0),
    );
    const before = queries();
    const written: string[] = [];
    for (let i = 1; i <= 20; i += 1) {
      written.push(...(await tell([account], 1)));
      await until("all streams have the event", () =>
        streams.every((listener) => ids(listener).length === i),
      );
    }
    for (const listener of streams) expect(ids(listener)).deep.equals(written);
    expect(queries() - before).within(20, 150);
  });

  it("a key has a limited number of streams; a stream that ends makes room", async () => {
    const { url } = await serve();
    const token = await newKey(account);
    const streams: Stream[] = [];
    for (let i = 0; i < MAX_STREAMS; i += 1) streams.push(await stream(url, { token }));
    expect(streams.map((listener) => listener.status)).deep.equals(Array(MAX_STREAMS).fill(200));
    const refusal = await stream(url, { token });
    expect([refusal.status, refusal.problem.code]).deep.equals([429, "too-many-streams"]);
    expect((await stream(url)).status).equals(200);
    streams[0]?.close();
    await until("there is room again", async () => (await stream(url, { token })).status === 200);
  });

  it("a revoked key's stream ends within a minute", async function () {
    this.timeout(120_000);
    const { url } = await serve(100);
    const token = await newKey(account);
    const [first, another] = [await stream(url, { token }), await stream(url)];
    await until("the stream is open", () => first.frames.length > 0);
    await sql`update api_keys set revoked_at = now() where id = ${token.split(".")[0] as string}`;
    await until("the stream has ended", () => first.ended(), 60_000);
    expect(another.ended()).equals(false);
  });

  it("roles that see the same types need no filter, and a caller without a role sees nothing", () => {
    expect(typesOf(["bureau"])).equals(undefined);
    expect(typesOf(["issuer", "employer", "holder"])).deep.equals(
      Object.keys(eventTypes).filter((type) => type !== "audit.alarm"),
    );
    expect(typesOf(["issuer"]))
      .includes("quota.set")
      .and.not.includes("claim.created");
    expect(typesOf([])).deep.equals([]);
  });
});
