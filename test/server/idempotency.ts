/**
 * Idempotency keys over HTTP, on two gateway processes and one database: {same body, other body} ×
 * {running, done, refused for good, refused for now} × {same process, other process, after a
 * restart}; and the protections that remain after a key has expired.
 */
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import { createMetrics } from "../../server/kernel/metrics.ts";
import { createExpiry } from "../../server/upkeep/expiry.ts";
import { callAt, freshTaxId, invoiceOf, type Reply } from "./network.ts";
import { type Bench, enrolled, openBench, type Party } from "./support/bench.ts";
import { until } from "./support/proxy.ts";
import { keyFor, type Serving, serving } from "./support/serving.ts";

describe("a key, a body and a process", function () {
  this.timeout(240_000);
  let bench: Bench;
  let first: Serving;
  let second: Serving;
  let seller: Party;
  let firm: Party;
  let shop: string;
  const settings = () => ({ RATE_PER_MINUTE: "1000000" });

  before(async () => {
    bench = await openBench();
    const maker = await bench.process();
    maker.start();
    [seller, firm] = await Promise.all([
      enrolled(bench, maker, ["issuer"]),
      enrolled(bench, maker, ["employer"]),
    ]);
    await maker.end();
    shop = await keyFor(bench, seller.account, ["issuer"]);
    [first, second] = await Promise.all([serving(bench, settings()), serving(bench, settings())]);
  });
  after(async () => {
    for (const gateway of [first, second]) gateway?.child.kill("SIGKILL");
    await bench?.close();
  });

  const bodyOf = (more: Record<string, unknown> = {}) => invoiceOf(seller, firm, more);
  const post = (at: Serving, key: string, body: unknown) =>
    callAt(at.url, "POST", "/v1/invoices", body, { token: shop, key, wait: 0 });
  const invoices = async () =>
    Number((await bench.sql<{ n: bigint }[]>`select count(*) as n from invoices`)[0]?.n);
  const keys = async (key: string) =>
    Number(
      (
        await bench.sql<{ n: bigint }[]>`select count(*) as n from idempotency where key = ${key}`
      )[0]?.n,
    );

  /**
   * Where the key comes again. "after a restart": the process that did the work was killed, and
   * another replaced it.
   */
  const places: Record<string, () => Promise<Serving>> = {
    "the same process": async () => first,
    "another process": async () => second,
    "a restarted process": async () => {
      first.child.kill("SIGKILL");
      await first.ended;
      first = await serving(bench, settings());
      return first;
    },
  };

  for (const [where, place] of Object.entries(places)) {
    describe(`comes again at ${where}`, () => {
      it("done, same body: the same answer, replayed, and no second invoice", async () => {
        const [key, body] = [randomUUID(), bodyOf()];
        const done = await post(first, key, body);
        expect(done.status).to.equal(202);
        const before = await invoices();
        const again = await post(await place(), key, body);
        expect([
          again.status,
          again.headers.get("idempotency-replayed"),
          again.body.number,
        ]).to.deep.equal([202, "true", done.body.number]);
        expect(await invoices()).to.equal(before);
      });

      it("done, other body: 422, and nothing is done", async () => {
        const key = randomUUID();
        expect((await post(first, key, bodyOf())).status).to.equal(202);
        const before = await invoices();
        const again = await post(await place(), key, bodyOf({ remark: "another" }));
        expect([again.status, again.body.code, again.body.retry]).to.deep.equal([
          422,
          "idempotency-key-reused",
          "never",
        ]);
        expect(await invoices()).to.equal(before);
      });

      it("refused for good, same body: refused again; other body: done, because a refusal uses up no key", async () => {
        const [key, bad] = [
          randomUUID(),
          bodyOf({ seller: { taxId: freshTaxId(), name: "别人" } }),
        ];
        const refused = await post(first, key, bad);
        expect([refused.status, refused.body.code, refused.body.retry]).to.deep.equal([
          403,
          "seller-not-caller",
          "never",
        ]);
        expect(await keys(key)).to.equal(0);
        const at = await place();
        const again = await post(at, key, bad);
        expect([
          again.status,
          again.body.code,
          again.headers.get("idempotency-replayed"),
        ]).to.deep.equal([403, "seller-not-caller", null]);
        expect((await post(at, key, bodyOf())).status).to.equal(202);
        expect(await keys(key)).to.equal(1);
      });

      it("refused for now: done when the cause is gone, with the same body and with another", async () => {
        const [same, other] = [randomUUID(), randomUUID()];
        const standing = (word: string) =>
          bench.sql`update taxpayers set standing = ${word} where index = ${seller.index}`;
        const body = bodyOf();
        await standing("suspended");
        for (const key of [same, other]) {
          const refused = await post(first, key, body);
          expect([refused.status, refused.body.code]).to.deep.equal([403, "issuer-not-active"]);
          expect(await keys(key)).to.equal(0);
        }
        const at = await place();
        await standing("active");
        expect((await post(at, same, body)).status).to.equal(202);
        expect((await post(at, other, bodyOf({ remark: "another" }))).status).to.equal(202);
      });

      it("running: 409 with a retry, with the same body and with another, unless its process has died; the work is done once", async () => {
        const [key, body] = [randomUUID(), bodyOf()];
        const before = await invoices();
        // the work blocks in the middle, on the row of its quota
        const { promise: opened, resolve: open } = Promise.withResolvers<void>();
        const { promise: taken, resolve: take } = Promise.withResolvers<void>();
        const holding = bench.sql.begin(async (tx) => {
          await tx.unsafe("lock table quota_use in access exclusive mode");
          take();
          await opened;
        });
        await taken;
        const ends: Promise<Reply | undefined> = post(first, key, body).catch(() => undefined);
        await until(
          "the work is in its middle",
          async () =>
            (await bench.sql`select 1 from pg_locks where locktype = 'relation' and not granted`)
              .length > 0,
        );
        const at = await place();
        if (where === "a restarted process") {
          // The row is still locked. The database ends the dead process's session within seconds,
          // so its key is free and its work is rolled back.
          expect(await ends).to.equal(undefined);
          await until(
            "the database has let go of it",
            async () =>
              (await bench.sql`select 1 from pg_locks where locktype = 'relation' and not granted`)
                .length === 0,
          );
          expect(await keys(key)).to.equal(0);
          open();
          await holding;
          expect((await post(at, key, body)).status).to.equal(202);
        } else {
          for (const other of [body, bodyOf({ remark: "another" })]) {
            const running = await post(at, key, other);
            expect([running.status, running.body.code, running.body.retry]).to.deep.equal([
              409,
              "idempotency-key-running",
              "same-key",
            ]);
            expect(running.headers.get("retry-after")).to.match(/^\d+$/);
          }
          open();
          await holding;
          expect((await ends)?.status).to.equal(202);
        }
        expect(await invoices()).to.equal(before + 1);
        expect((await post(at, key, body)).headers.get("idempotency-replayed")).to.equal("true");
        expect((await post(at, key, bodyOf({ remark: "another" }))).status).to.equal(422);
      });
    });
  }

  describe("below the keys", () => {
    it("after a key has expired, the original is still found by its own id", async () => {
      const [key, body] = [randomUUID(), bodyOf({ sourceId: `POS-${randomUUID()}` })];
      const { body: done } = await post(first, key, body);
      await bench.sql`update idempotency set created_at = now() - interval '7 days 1 minute' where key = ${key}`;
      await createExpiry({ sql: bench.sql, metrics: createMetrics("test"), days: 7 }).run(
        new AbortController().signal,
      );
      expect(await keys(key)).to.equal(0);
      for (const again of [key, randomUUID()]) {
        const refused = await post(second, again, body);
        expect([refused.status, refused.body.code]).to.deep.equal([409, "duplicate-source"]);
        expect(refused.body.original.number).to.equal(done.number);
      }
    });

    it("the chain seals a number once: it refuses the same lot again from every sender", async () => {
      const { body } = await post(first, randomUUID(), bodyOf());
      await until(
        "it is sealed",
        async () =>
          (await bench.sql`select 1 from invoice_states where number = ${body.number}`).length ===
          1,
      );
      const [sent] = await bench.sql<{ data: string; to_address: string; first: string }[]>`
        select s.data, s.to_address, l.first from invoice_states i join sealings l on l.first = i.lot join operations o on o.id = l.operation
        join sends s on s.id = o.send where i.number = ${body.number}`;
      const { hash } = await bench.stranger(sent?.to_address as string, sent?.data as string);
      const events = (await bench.events()).filter((event) => event.tx === hash);
      expect(events.map((event) => event.name))
        .to.include("LotRefused")
        .and.not.include("LotSealed");
      const sealed = (await bench.events()).filter(
        (event) => event.name === "LotSealed" && event.args["first"] === sent?.first,
      );
      expect(sealed).to.have.length(1);
    });
  });
});
