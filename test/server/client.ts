/**
 * The client for programs, against a real gateway, behind a network that loses requests and
 * answers.
 */
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

  const clientOf = ({ token }: { token: string }, patience: Partial<Patience> = {}) =>
    createClient({ url: way.url, token, patience: { pauseMs: 5, ...patience } });
  const invoice = (more: object = {}) =>
    invoiceOf(shop, firm, { sourceId: crypto.randomUUID(), ...more }) as Invoice;
  const keys = () => way.seen.map(({ headers }) => headers["idempotency-key"]);

  it("gives the answer that its status stands for", async () => {
    const client = clientOf(shop);
    const sent = await client("POST /v1/invoices", { body: invoice(), wait: 20 });
    // an answer without a seal has another shape, so the types must narrow the answer by its status
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
        const { body } = await clientOf(shop).done("POST /v1/invoices", {
          body: invoice({ sourceId }),
        });
        expect(keys()).length(3);
        expect(new Set(keys()).size, "one key for all tries").equals(1);
        const list = clientOf(shop).items("GET /v1/invoices", {
          query: { as: "issuer", sourceId },
        });
        expect((await all(list)).map(({ number }) => number)).deep.equals([body.number]);
      });

    for (const fault of ["lose", { status: 502 }] as const)
      it(`gives up after the last try, and names the key under which the work may have been done: ${typeof fault === "string" ? fault : fault.status}`, async () => {
        way.faults = [fault, fault];
        const error = await refusalOf(
          clientOf(shop, { tries: 2 })("POST /v1/invoices", { body: invoice() }),
        );
        expect(error).instanceOf(NoAnswerError);
        expect(keys()).deep.equals(Array(2).fill((error as NoAnswerError).key));
        expect(keys()[0]).a("string");
      });

    it("names the key of a refused request", async () => {
      const problem = await problemOf(clientOf(shop)("POST /v1/invoices", { body: {} as Invoice }));
      expect(keys()).deep.equals([problem.key]);
    });

    it("sends a streamed body only once", async () => {
      way.faults = ["lose"];
      const body = new Blob([JSON.stringify(invoice())]).stream();
      const call = clientOf(shop)("POST /v1/invoices", { body, type: "application/json" });
      expect(await refusalOf(call)).instanceOf(NoAnswerError);
      expect(way.seen).length(1);
    });

    it("waits for as long as Retry-After says", async () => {
      way.faults = [{ status: 503, headers: { "retry-after": "1" } }];
      await clientOf(shop)("GET /v1/session");
      const [first, second] = way.seen;
      expect((second?.at ?? 0) - (first?.at ?? 0)).at.least(990);
    });

    it("does not wait for longer than its patience, and returns the refusal", async () => {
      way.faults = [{ status: 503, headers: { "retry-after": "3600" } }];
      const error = await refusalOf(clientOf(shop)("GET /v1/session"));
      expect([(error as NoAnswerError).status, way.seen.length]).deep.equals([503, 1]);
    });

    it("stops when its signal aborts, also between two tries", async () => {
      const stop = new AbortController();
      way.faults = Array(50).fill("cut");
      way.heard = () => {
        if (way.seen.length === 3) stop.abort(new Error("enough"));
      };
      const error = await refusalOf(
        clientOf(shop, { tries: 50 })("GET /v1/session", { signal: stop.signal }),
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
    it("that a retry cannot change comes at once, with its rules", async () => {
      const body = { ...invoice(), currency: "yuan" } as Invoice;
      const error = await problemOf(
        clientOf(shop, { laterMs: 60_000 })("POST /v1/invoices", { body }),
      );
      expect([error.code, error.status, error.retry]).deep.equals([
        "invalid-document",
        422,
        "never",
      ]);
      expect(error.violations.map(({ field }) => field)).deep.equals(["/currency"]);
      expect(way.seen).length(1);
    });

    it("that a retry can change comes at once without patience", async () => {
      const bare = await taxpayer("无号店", ["issuer"], { segment: 1 });
      const newInvoice = () => invoiceOf(bare, firm) as Invoice;
      await clientOf(bare)("POST /v1/invoices", { body: newInvoice() });
      way.seen = [];
      const error = await problemOf(clientOf(bare)("POST /v1/invoices", { body: newInvoice() }));
      expect([error.code, error.retry, way.seen.length]).deep.equals(["no-segment", "later", 1]);
    });

    it("that a retry can change is retried with patience, and succeeds after the cause is gone", async () => {
      const bare = await taxpayer("缺号店", ["issuer"], { segment: 1 });
      const newInvoice = () => invoiceOf(bare, firm) as Invoice;
      await clientOf(bare)("POST /v1/invoices", { body: newInvoice() });
      way.seen = [];
      const { url, bureau } = await sandbox();
      const asked = clientOf(bare, { laterMs: 60_000 })("POST /v1/invoices", {
        body: newInvoice(),
      });
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
    it("is awaited", async () => {
      const { body } = await clientOf(shop).done("POST /v1/invoices", { body: invoice() });
      const claim = await clientOf(firm).done("POST /v1/claims", {
        body: { employer: firm.taxId, invoices: [body.number] },
      });
      expect(claim.body.status).equals("claimed");
    });

    it("is not reached while another party has to sign", async () => {
      const key = { custody: "own", address: Wallet.createRandom().address };
      const own = await taxpayer("自管店", ["employer"], { key });
      const { body } = await clientOf(shop).done("POST /v1/invoices", { body: invoiceFor(own) });
      const error = await refusalOf(
        clientOf(own, { doneMs: 0 }).done("POST /v1/claims", {
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
    it("are read in order", async () => {
      const seller = await taxpayer("多票店", ["issuer"]);
      const numbers: string[] = [];
      for (let i = 0; i < 5; i += 1) {
        const body = invoiceOf(seller, firm) as Invoice;
        numbers.push((await clientOf(seller).done("POST /v1/invoices", { body })).body.number);
      }
      way.seen = [];
      const list = clientOf(seller).items("GET /v1/invoices", {
        query: { as: "issuer", limit: 2 },
      });
      expect((await all(list)).map(({ number }) => number)).deep.equals(numbers);
      expect(way.seen.length).at.least(3);
      const events = clientOf(seller).items("GET /v1/events", {
        query: { types: "invoice.issued", limit: 2 },
      });
      expect((await all(events)).map(({ number }) => number)).deep.equals(numbers);
    });

    it("continue to the end if a page is full", async () => {
      const claim = async () => {
        const { body } = await clientOf(shop).done("POST /v1/invoices", { body: invoice() });
        const sent = { employer: firm.taxId, invoices: [body.number] };
        return (await clientOf(firm).done("POST /v1/claims", { body: sent })).body.id;
      };
      const made = [await claim(), await claim()];
      const claims = await all(
        clientOf(firm).items("GET /v1/claims", { query: { as: "holder", limit: 1 } }),
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
    const refused = async (...args: Parameters<typeof verifyWebhook>) =>
      expect(await refusalOf(verifyWebhook(...args))).instanceOf(WebhookError);

    it("of the gateway are verified and parsed", async () => {
      const receiver = await startReceiver();
      try {
        const made = await clientOf(shop)("POST /v1/webhooks", {
          body: { url: receiver.url, types: ["invoice.issued"] },
        });
        const { body } = await clientOf(shop).done("POST /v1/invoices", { body: invoice() });
        const delivery = await until("the delivery", async () =>
          receiver.deliveries.find(({ type }) => type === "invoice.issued"),
        );
        const read = await verifyWebhook(made.body.secret ?? "", delivery.body, delivery.headers);
        expect([read.id, read.data.number]).deep.equals([delivery.id, body.number]);
        await clientOf(shop)("DELETE /v1/webhooks/{id}", { params: { id: made.body.id } });
      } finally {
        await receiver.close();
      }
    });

    it("are accepted under one of several secrets, as bytes or text, with headers of either kind", async () => {
      const body = '{"type":"claim.created","timestamp":"2026-11-24T02:31:07.000Z","data":{}}';
      const other = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
      const read = await verifyWebhook(
        [other, secret],
        Buffer.from(body),
        new Headers(headersOf(body)),
      );
      expect([read.id, read.type]).deep.equals(["7", "claim.created"]);
    });

    it("of another sender, changed, old or without a signature are refused", async () => {
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

  it("ends an aborted batch although its source never brings another invoice", async () => {
    const stopping = new AbortController();
    let isRead = false;
    async function* silent(): AsyncGenerator<never> {
      isRead = true;
      await new Promise(() => {});
    }
    const client = createClient({ url: "http://127.0.0.1:1" });
    const first = client.batch(silent(), { signal: stopping.signal }).next();
    await until("the source is read", async () => isRead || undefined);
    stopping.abort(new Error("the till was closed"));
    expect(await first.catch((error: Error) => error.message)).equals("the till was closed");
  });
});
