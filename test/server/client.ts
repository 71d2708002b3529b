/** The client for programs, against a real gateway, behind a network that loses what it likes. */
import { createHmac } from "node:crypto";
import { expect } from "chai";
import { Wallet } from "ethers";
import {
  type Api,
  createClient,
  cursors,
  NoAnswerError,
  type Paged,
  type Patience,
  ProblemError,
  StillOpenError,
  verifyWebhook,
  WebhookError,
} from "../../clients/typescript/index.ts";
import { invoiceOf, sandbox, type TestParty, taxpayer } from "./network.ts";
import { until } from "./observe.ts";
import { startFaultyWay } from "./support/faulty-way.ts";
import { startReceiver } from "./support/receiver.ts";

type Invoice = Api["POST /v1/invoices"]["body"];
const refusalOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    (answer) => expect.fail(`answered: ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  );
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
async function problemOf(call: Promise<unknown>): Promise<ProblemError> {
  const error = await refusalOf(call);
  expect(error).instanceOf(ProblemError);
  return error as ProblemError;
}

describe("the client for programs", () => {
  let way: Awaited<ReturnType<typeof startFaultyWay>>;
  let shop: TestParty;
  let firm: TestParty;

  before(async () => {
    way = await startFaultyWay((await sandbox()).url);
    [shop, firm] = await Promise.all([
      taxpayer("甲店", ["issuer"]),
      taxpayer("丙公司", ["employer"]),
    ]);
  });
  after(() => way.close());
  beforeEach(() => {
    way.faults = [];
    way.seen = [];
    way.heard = () => {};
  });

  const of = ({ token }: { token: string }, patience: Partial<Patience> = {}) =>
    createClient({ url: way.url, token, patience: { pauseMs: 5, ...patience } });
  const invoice = (more: object = {}) =>
    invoiceOf(shop, firm, { sourceId: crypto.randomUUID(), ...more }) as Invoice;
  const keys = () => way.seen.map(({ headers }) => headers["idempotency-key"]);

  it("gives the answer that its status stands for", async () => {
    const client = of(shop);
    const sent = await client("POST /v1/invoices", { body: invoice(), wait: 20 });
    // an answer that is not sealed has another shape: the types want to know which one it is
    const number = sent.status === 201 ? sent.body.number : expect.fail(`${sent.status}`);
    const read = await client("GET /v1/invoices/{number}", { params: { number } });
    expect([read.status, read.body.document.totals.gross]).deep.equals([200, "200.00"]);
    const pdf = await client.bytes("GET /v1/invoices/{number}", {
      params: { number },
      accept: "application/pdf",
    });
    expect(new TextDecoder().decode(pdf.body.subarray(0, 5))).equals("%PDF-");
  });

  describe("when an answer does not come", () => {
    for (const fault of ["cut", "lose", "half", { status: 502 }] as const)
      it(`issues once: ${typeof fault === "string" ? fault : fault.status}`, async () => {
        way.faults = [fault, fault];
        const sourceId = crypto.randomUUID();
        const { body } = await of(shop).done("POST /v1/invoices", { body: invoice({ sourceId }) });
        expect(keys()).length(3);
        expect(new Set(keys()).size, "one key for all tries").equals(1);
        const list = of(shop).items("GET /v1/invoices", { query: { as: "issuer", sourceId } });
        expect((await all(list)).map(({ number }) => number)).deep.equals([body.number]);
      });

    for (const fault of ["lose", { status: 502 }] as const)
      it(`ends after so many tries, and says under which key the work may be done: ${typeof fault === "string" ? fault : fault.status}`, async () => {
        way.faults = [fault, fault];
        const error = await refusalOf(
          of(shop, { tries: 2 })("POST /v1/invoices", { body: invoice() }),
        );
        expect(error).instanceOf(NoAnswerError);
        expect(keys()).deep.equals(Array(2).fill((error as NoAnswerError).key));
        expect(keys()[0]).a("string");
      });

    it("says under which key a refusal came", async () => {
      const problem = await problemOf(of(shop)("POST /v1/invoices", { body: {} as Invoice }));
      expect(keys()).deep.equals([problem.key]);
    });

    it("sends a body that is a stream once", async () => {
      way.faults = ["lose"];
      const body = new Blob([JSON.stringify(invoice())]).stream();
      const call = of(shop)("POST /v1/invoices", { body, type: "application/json" });
      expect(await refusalOf(call)).instanceOf(NoAnswerError);
      expect(way.seen).length(1);
    });

    it("waits for as long as Retry-After says", async () => {
      way.faults = [{ status: 503, headers: { "retry-after": "1" } }];
      await of(shop)("GET /v1/session");
      const [first, second] = way.seen;
      expect((second?.at ?? 0) - (first?.at ?? 0)).at.least(990);
    });

    it("does not wait for longer than its patience, and gives what was said", async () => {
      way.faults = [{ status: 503, headers: { "retry-after": "3600" } }];
      const error = await refusalOf(of(shop)("GET /v1/session"));
      expect([(error as NoAnswerError).status, way.seen.length]).deep.equals([503, 1]);
    });

    it("stops when it is told to, also between two tries", async () => {
      const stop = new AbortController();
      way.faults = Array(50).fill("cut");
      way.heard = () => {
        if (way.seen.length === 3) stop.abort(new Error("enough"));
      };
      const error = await refusalOf(
        of(shop, { tries: 50 })("GET /v1/session", { signal: stop.signal }),
      );
      expect([(error as Error).message, way.seen.length]).deep.equals(["enough", 3]);
    });

    it("goes to the next gateway", async () => {
      const urls = ["http://127.0.0.1:9", way.url];
      const patience = { pauseMs: 5, tries: 2 };
      const client = createClient({ url: urls, token: shop.token, patience, random: () => 0 });
      expect((await client("GET /v1/session")).body.account).equals(shop.account);
    });
  });

  describe("a refusal", () => {
    it("that will be the same again comes at once, with its rules", async () => {
      const body = { ...invoice(), currency: "yuan" } as Invoice;
      const error = await problemOf(of(shop, { laterMs: 60_000 })("POST /v1/invoices", { body }));
      expect([error.code, error.status, error.retry]).deep.equals([
        "invalid-document",
        422,
        "never",
      ]);
      expect(error.violations.map(({ field }) => field)).deep.equals(["/currency"]);
      expect(way.seen).length(1);
    });

    it("that may pass later comes at once without patience", async () => {
      const bare = await taxpayer("无号店", ["issuer"], { segment: 1 });
      const one = () => invoiceOf(bare, firm) as Invoice;
      await of(bare)("POST /v1/invoices", { body: one() });
      way.seen = [];
      const error = await problemOf(of(bare)("POST /v1/invoices", { body: one() }));
      expect([error.code, error.retry, way.seen.length]).deep.equals(["no-segment", "later", 1]);
    });

    it("that may pass later is tried again with patience, and passes when something has changed", async () => {
      const bare = await taxpayer("缺号店", ["issuer"], { segment: 1 });
      const one = () => invoiceOf(bare, firm) as Invoice;
      await of(bare)("POST /v1/invoices", { body: one() });
      way.seen = [];
      const { url, bureau } = await sandbox();
      const asked = of(bare, { laterMs: 60_000 })("POST /v1/invoices", { body: one() });
      await until("two tries", async () => way.seen.length >= 2);
      await createClient({ url, token: bureau.token }).done("POST /v1/taxpayers/{taxId}/segments", {
        params: { taxId: bare.taxId },
        body: { length: 10 },
      });
      expect((await asked).status).equals(202);
      expect(new Set(keys()).size, "a refusal may be stored under its key").equals(keys().length);
    });
  });

  describe("the end of the work", () => {
    it("is waited for", async () => {
      const { body } = await of(shop).done("POST /v1/invoices", { body: invoice() });
      const claim = await of(firm).done("POST /v1/claims", {
        body: { employer: firm.taxId, invoices: [body.number] },
      });
      expect(claim.body.status).equals("claimed");
    });

    it("is not there while somebody else has to sign", async () => {
      const key = { custody: "own", address: Wallet.createRandom().address };
      const own = await taxpayer("自管店", ["employer"], { key });
      const { body } = await of(shop).done("POST /v1/invoices", { body: invoiceFor(own) });
      const error = await refusalOf(
        of(own, { doneMs: 0 }).done("POST /v1/claims", {
          body: { employer: own.taxId, invoices: [body.number] },
          wait: 1,
        }),
      );
      expect(error).instanceOf(StillOpenError);
      expect((error as StillOpenError).reply.status).equals(202);
    });
    const invoiceFor = (buyer: TestParty) => invoiceOf(shop, buyer) as Invoice;
  });

  describe("pages", () => {
    it("are read one after the other", async () => {
      const seller = await taxpayer("多票店", ["issuer"]);
      const numbers: string[] = [];
      for (let i = 0; i < 5; i += 1) {
        const body = invoiceOf(seller, firm) as Invoice;
        numbers.push((await of(seller).done("POST /v1/invoices", { body })).body.number);
      }
      way.seen = [];
      const list = of(seller).items("GET /v1/invoices", { query: { as: "issuer", limit: 2 } });
      expect((await all(list)).map(({ number }) => number)).deep.equals(numbers);
      expect(way.seen.length).at.least(3);
      const events = of(seller).items("GET /v1/events", {
        query: { types: "invoice.issued", limit: 2 },
      });
      expect((await all(events)).map(({ number }) => number)).deep.equals(numbers);
    });

    it("go on to the end where a page is full", async () => {
      const claim = async () => {
        const { body } = await of(shop).done("POST /v1/invoices", { body: invoice() });
        const sent = { employer: firm.taxId, invoices: [body.number] };
        return (await of(firm).done("POST /v1/claims", { body: sent })).body.id;
      };
      const made = [await claim(), await claim()];
      const claims = await all(
        of(firm).items("GET /v1/claims", { query: { as: "holder", limit: 1 } }),
      );
      expect(claims.map(({ id }) => id)).includes.members(made);
      const { url, bureau } = await sandbox();
      const admin = createClient({ url, token: bureau.token });
      const taxpayers = await all(admin.items("GET /v1/taxpayers", { query: { limit: 2 } }));
      expect(taxpayers.map(({ taxId }) => taxId)).includes.members([shop.taxId, firm.taxId]);
    });

    for (const name of Object.keys(cursors) as Paged[])
      it(`have no item twice: ${name}`, async () => {
        const { url, bureau } = await sandbox();
        const token =
          { "GET /v1/transfers": firm.token, "GET /v1/claims": firm.token }[name as string] ??
          bureau.token;
        const client = createClient({ url, token });
        const period = name === "GET /v1/audit/quotas" ? { period: "2026-11" } : {};
        const query = { ...period, limit: 1 };
        const asked = { params: { taxId: shop.taxId }, query } as never;
        const seen: string[] = [];
        for await (const item of client.items(name, asked)) {
          seen.push(JSON.stringify(item));
          if (seen.length === 5) break;
        }
        expect(new Set(seen).size).equals(seen.length);
      });
  });

  describe("webhooks", () => {
    const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;
    const headersOf = (body: string, { by = secret, ago = 0 } = {}) => {
      const timestamp = String(Math.floor(Date.now() / 1_000) - ago);
      const key = Buffer.from(by.slice("whsec_".length), "base64");
      const signature = createHmac("sha256", key).update(`7.${timestamp}.${body}`).digest("base64");
      return {
        "webhook-id": "7",
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,AAAA v1,${signature}`,
      };
    };
    const refused = async (...given: Parameters<typeof verifyWebhook>) =>
      expect(await refusalOf(verifyWebhook(...given))).instanceOf(WebhookError);

    it("of the gateway are taken, and read", async () => {
      const receiver = await startReceiver();
      try {
        const made = await of(shop)("POST /v1/webhooks", {
          body: { url: receiver.url, types: ["invoice.issued"] },
        });
        const { body } = await of(shop).done("POST /v1/invoices", { body: invoice() });
        const delivery = await until("the delivery", async () =>
          receiver.deliveries.find(({ type }) => type === "invoice.issued"),
        );
        const read = await verifyWebhook(made.body.secret ?? "", delivery.body, delivery.headers);
        expect([read.id, read.data.number]).deep.equals([delivery.id, body.number]);
        await of(shop)("DELETE /v1/webhooks/{id}", { params: { id: made.body.id } });
      } finally {
        await receiver.close();
      }
    });

    it("are taken by one of several secrets, as bytes or text, with headers of either kind", async () => {
      const body = '{"type":"claim.created","timestamp":"2026-11-24T02:31:07.000Z","data":{}}';
      const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
      const read = await verifyWebhook(
        [other, secret],
        Buffer.from(body),
        new Headers(headersOf(body)),
      );
      expect([read.id, read.type]).deep.equals(["7", "claim.created"]);
    });

    it("of anybody else, changed, old or without a signature are refused", async () => {
      const body = '{"type":"claim.created","data":{}}';
      const { "webhook-signature": _, ...unsigned } = headersOf(body);
      const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
      await refused(secret, body, headersOf(body, { by: other }));
      await refused(secret, body.replace("created", "rejected"), headersOf(body));
      await refused(secret, body, headersOf(body, { ago: 301 }));
      await refused(secret, body, headersOf(body, { ago: -301 }));
      await refused(secret, body, unsigned);
      await refused(secret, body, { ...headersOf(body), "webhook-id": "8" });
      await refused(secret, body, { ...headersOf(body), "webhook-timestamp": "now" });
      await refused(secret, body, { ...headersOf(body), "webhook-signature": "v1,%%% v2,x" });
    });
  });
});
