/**
 * Streams of lines: the bytes on the wire and the rows in the database, at every pace and with
 * every kind of end.
 */
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect } from "chai";
import type { Loose } from "../server/network.ts";
import { openLines, sendLines } from "../server/support/lines.ts";
import { until } from "../server/support/proxy.ts";
import { call, gate, linesSeen, openWorld, type World } from "./fixture.ts";

const PATH = "/v1/notes/lines";
const names = (count: number, prefix = "n") =>
  Array.from({ length: count }, (_, i) => ({ name: `${prefix}${i + 1}` }));
const brief = (results: Loose[]) =>
  results.map((result) => [
    result.line,
    result.problem?.code ?? (result.replayed ? "replayed" : result.status),
  ]);

/** Does `act` at each interval until `work` ends, also when it fails. */
async function whileRepeating<T>(
  ms: number,
  act: () => unknown,
  work: () => Promise<T>,
): Promise<T> {
  const timer = setInterval(() => void act(), ms);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

describe("a stream of lines", function () {
  this.timeout(120_000);
  let world: World;
  let url: string;
  before(async () => {
    world = await openWorld();
    url = `${world.url}${PATH}`;
  });
  const party = async () => {
    const { account, key } = await world.party("issuer");
    return { account, token: key, notes: () => world.notes(account) };
  };
  const elsewhere = async (...more: Parameters<World["app"]>) =>
    `${(await world.app(...more)).url}${PATH}`;

  describe("that comes as it should", () => {
    it("is answered line by line while it comes", async () => {
      const { token, notes } = await party();
      const lines = openLines(url, { token });
      expect(await lines.status()).to.equal(200);
      for (let i = 1; i <= 5; i += 1) {
        await lines.send([{ name: `n${i}` }]);
        const results = await lines.got(i);
        expect(results[i - 1]).to.include({ line: i, status: 202 });
      }
      lines.end();
      expect((await lines.all()).at(-1)).to.deep.equal({
        done: true,
        accepted: 5,
        replayed: 0,
        refused: 0,
      });
      expect(await notes()).to.deep.equal(["n1", "n2", "n3", "n4", "n5"]);
    });

    it("is answered in its order, and its lines share transactions", async () => {
      const { account, token } = await party();
      const { results, last } = await sendLines(url, names(1_000), { token });
      expect(results.map((result) => result.line)).to.deep.equal(
        Array.from({ length: 1_000 }, (_, i) => i + 1),
      );
      expect(last).to.deep.equal({ done: true, accepted: 1_000, replayed: 0, refused: 0 });
      const rows = await world.sql<
        { id: number; name: string; tx: string }[]
      >`select id, name, xmin::text as tx from notes where account = ${account}`;
      const byId = new Map(rows.map((row) => [row.id, row.name]));
      expect(results.map((result) => byId.get(result.id))).to.deep.equal(
        names(1_000).map((note) => note.name),
      );
      expect(new Set(rows.map((row) => row.tx)).size).to.be.lessThan(200);
    });

    it("has bad lines that are their own affair", async () => {
      const { token, notes } = await party();
      const body = [
        '{"name":"a"}\r',
        "",
        "{",
        '{"name":"refused"}',
        '{"nome":"b"}',
        `{"name":"${"x".repeat(20_000)}"}`,
        '{"name":"\\ud800"}',
        '{"name":"c"}',
      ];
      const lines = openLines(url, { token });
      await lines.write(`${body.join("\n")}\n`);
      await lines.write(Buffer.from([0x22, 0xff, 0x22, 0x0a]));
      await lines.write('{"name":"crash"}\n{"name":"last"}');
      lines.end();
      const results = await lines.all();
      expect(results.pop()).to.deep.equal({ done: true, accepted: 3, replayed: 0, refused: 7 });
      expect(brief(results)).to.deep.equal([
        [1, 202],
        [3, "malformed-request"],
        [4, "quota-exceeded"],
        [5, "invalid-request"],
        [6, "body-too-large"],
        [7, "malformed-request"],
        [8, 202],
        [9, "malformed-request"],
        [10, "internal"],
        [11, 202],
      ]);
      for (const { problem } of results)
        if (problem)
          expect(problem).to.include.keys(
            "type",
            "title",
            "status",
            "detail",
            "retry",
            "requestId",
          );
      expect((await notes()).sort()).to.deep.equal(["a", "c", "last"]);
    });

    it("of no lines is answered by the last line alone", async () => {
      const { token } = await party();
      expect(await sendLines(url, [], { token })).to.deep.include({
        results: [],
        last: { done: true, accepted: 0, replayed: 0, refused: 0 },
      });
    });

    it("is in the log with its counts, and with nothing of its lines", async () => {
      const { token } = await party();
      const requestId = `stream-${Date.now()}`;
      await sendLines(url, [{ name: "logged-line" }, { name: "refused" }], {
        token,
        headers: { "x-request-id": requestId },
      });
      await until("it is logged", () => world.log().includes(requestId));
      const line = world
        .log()
        .split("\n")
        .find((each) => each.includes(requestId));
      expect(JSON.parse(line ?? "{}")).to.deep.include({
        route: PATH,
        status: 200,
        lines: { accepted: 1, replayed: 0, refused: 1 },
      });
      expect(world.log()).to.not.contain("logged-line");
    });
  });

  describe("that comes again with its key", () => {
    it("gets the stored results of what was done, and does the rest", async () => {
      const { token, notes } = await party();
      const { key } = await sendLines(url, names(150), { token });
      const again = await sendLines(await elsewhere(), names(200), { token, key });
      expect(again.last).to.deep.equal({ done: true, accepted: 200, replayed: 150, refused: 0 });
      expect(brief(again.results)).to.deep.equal(
        names(200).map((_, i) => [i + 1, i < 150 ? "replayed" : 202]),
      );
      // groups are done side by side: all of them, each once, in whatever order
      expect((await notes()).sort()).to.deep.equal(
        names(200)
          .map((note) => note.name)
          .sort(),
      );
    });

    it("with another line in the place of a finished one gets a refusal there, and goes on", async () => {
      const { token, notes } = await party();
      const { key } = await sendLines(url, names(3), { token });
      const { results, last } = await sendLines(
        url,
        [{ name: "n1" }, { name: "other" }, { name: "n3" }, { name: "n4" }],
        { token, key },
      );
      expect(brief(results)).to.deep.equal([
        [1, "replayed"],
        [2, "idempotency-key-reused"],
        [3, "replayed"],
        [4, 202],
      ]);
      expect(last).to.include({ done: true, accepted: 3, replayed: 2, refused: 1 });
      expect(await notes()).to.deep.equal(["n1", "n2", "n3", "n4"]);
    });

    it("has its refused lines done when they are corrected: a refusal burns nothing", async () => {
      const { token, notes } = await party();
      const { key } = await sendLines(url, [{ name: "a" }, { name: "refused" }, { nome: "c" }], {
        token,
      });
      const { results } = await sendLines(url, names(3, "x").toSpliced(0, 1, { name: "a" }), {
        token,
        key,
      });
      expect(brief(results)).to.deep.equal([
        [1, "replayed"],
        [2, 202],
        [3, 202],
      ]);
      expect(await notes()).to.deep.equal(["a", "x2", "x3"]);
    });

    it("with other line ends is the same", async () => {
      const { token } = await party();
      const { key } = await sendLines(url, names(2), { token });
      const { last } = await sendLines(
        url,
        names(2).map((note) => `${JSON.stringify(note)}\r`),
        { token, key },
      );
      expect(last).to.include({ accepted: 2, replayed: 2 });
    });

    it("while it still runs is refused for now; when it was cut off it goes on at once", async () => {
      const { token, notes } = await party();
      const first = openLines(url, { token });
      await first.send(names(10));
      await first.got(10);
      const other = await elsewhere();
      for (const at of [url, other]) {
        const answer = await call(at, {
          method: "POST",
          key: token,
          idempotencyKey: first.key,
          body: "",
          headers: { "content-type": "application/x-ndjson" },
        });
        expect([answer.status, answer.json.code, answer.headers.get("retry-after")]).to.deep.equal([
          409,
          "idempotency-key-running",
          "1",
        ]);
      }
      first.cut();
      const again = await until("its key is free", async () => {
        const sent = await sendLines(other, names(20), { token, key: first.key }).catch(
          () => undefined,
        );
        return sent?.last?.done && sent;
      });
      expect(again.last).to.deep.equal({ done: true, accepted: 20, replayed: 10, refused: 0 });
      expect(await notes()).to.deep.equal(names(20).map((note) => note.name));
    });

    it("has a key of its own: one that another request has used is refused, and its own is refused to others", async () => {
      const { token, notes } = await party();
      const [single, streamed] = [randomUUID(), randomUUID()];
      const post = (idempotencyKey: string) =>
        call(`${world.url}/v1/notes`, {
          method: "POST",
          key: token,
          idempotencyKey,
          body: { name: "one" },
        });
      expect((await post(single)).status).to.equal(201);
      const lines = openLines(url, { token, key: single });
      expect(await lines.status()).to.equal(422);
      lines.cut();
      await sendLines(url, names(1), { token, key: streamed });
      expect((await post(streamed)).json.code).to.equal("idempotency-key-reused");
      expect(await notes()).to.deep.equal(["one", "n1"]);
    });

    it("has lines whose keys no client can have", async () => {
      const { account, token } = await party();
      const { key } = await sendLines(url, names(2), { token });
      const rows = await world.sql<
        { key: string }[]
      >`select key from idempotency where account = ${account} order by key`;
      expect(rows.map((row) => row.key)).to.deep.equal([key, `${key} 1`, `${key} 2`]);
      const answer = await call(`${world.url}/v1/notes`, {
        method: "POST",
        key: token,
        idempotencyKey: `${key} 1`,
        body: { name: "x" },
      });
      expect([answer.status, answer.json.code]).to.deep.equal([400, "malformed-request"]);
    });
  });

  describe("that is cut off", () => {
    it("in the middle of a line has not sent that line", async () => {
      const { token, notes } = await party();
      const lines = openLines(url, { token });
      await lines.write('{"name":"a"}\n{"name":"b"}\n{"name":"c"}');
      await lines.got(2);
      lines.cut();
      await delay(100);
      expect(await notes()).to.deep.equal(["a", "b"]);
    });

    it("has what is under way finished before its key is free", async () => {
      const { token, notes } = await party();
      const name = randomUUID();
      const { entered, open } = gate(name);
      const lines = openLines(url, { token });
      await lines.send([{ name }, ...names(5)]);
      await entered;
      lines.cut();
      await delay(50);
      const running = openLines(url, { token, key: lines.key });
      expect(await running.status()).to.equal(409);
      running.cut();
      open();
      const again = await until("its key is free", async () => {
        const sent = await sendLines(url, [{ name }, ...names(5)], { token, key: lines.key }).catch(
          () => undefined,
        );
        return sent?.last?.done && sent;
      });
      expect(again.last).to.include({ accepted: 6, replayed: 6 });
      expect((await notes()).length).to.equal(6);
    });
  });

  describe("that may not begin", () => {
    const refusals: [string, Record<string, string>, number, string][] = [
      ["without a key of its own", { "idempotency-key": "" }, 400, "malformed-request"],
      ["as JSON", { "content-type": "application/json" }, 415, "unsupported-media-type"],
      ["compressed", { "content-encoding": "gzip" }, 415, "unsupported-media-type"],
      [
        "in another charset",
        { "content-type": "application/x-ndjson; charset=gb18030" },
        415,
        "unsupported-media-type",
      ],
      ["to be answered as JSON", { accept: "application/json" }, 406, "not-acceptable"],
      ["by nobody", { authorization: "Bearer none.atall" }, 401, "unauthenticated"],
    ];
    for (const [label, headers, status, code] of refusals) {
      it(`${label} is ${status}`, async () => {
        const { key } = await world.party("issuer");
        const all = {
          authorization: `Bearer ${key}`,
          "content-type": "application/x-ndjson",
          ...headers,
        };
        const answer = await call(url, { method: "POST", body: '{"name":"x"}\n', headers: all });
        const got = await fetch(url, {
          method: "POST",
          body: '{"name":"x"}\n',
          headers: { "idempotency-key": randomUUID(), ...all },
        });
        expect([got.status, ((await got.json()) as Loose).code], answer.text).to.deep.equal([
          status,
          code,
        ]);
      });
    }

    it("by another role is 403", async () => {
      const { key } = await world.party("holder");
      const answer = await call(url, {
        method: "POST",
        key,
        body: '{"name":"x"}\n',
        headers: { "content-type": "application/x-ndjson" },
      });
      expect([answer.status, answer.json.code]).to.deep.equal([403, "forbidden"]);
    });

    it("beside as many as a party may have, or all may, is 429 until one has ended", async () => {
      const at = await elsewhere({ streams: { ofParty: 1, ofAll: 2 } });
      const [owner, other, third] = [await party(), await party(), await party()];
      const first = openLines(at, owner);
      const second = openLines(at, other);
      await Promise.all([first.status(), second.status()]);
      for (const token of [owner.token, third.token]) {
        const answer = await call(at, {
          method: "POST",
          key: token,
          body: "",
          headers: { "content-type": "application/x-ndjson" },
        });
        expect([answer.status, answer.json.code]).to.deep.equal([429, "too-many-streams"]);
      }
      first.end();
      await first.all();
      await until(
        "there is a place again",
        async () => (await sendLines(at, names(1), third).catch(() => undefined))?.last?.done,
      );
      second.cut();
    });
  });

  describe("that goes beyond a bound", () => {
    it("of lines or bytes is ended there, and says so; what was done stays done", async () => {
      const { token, notes } = await party();
      for (const [bound, extra] of [
        [{ maxLines: 5 }, { maxLines: 5 }],
        [{ maxBytes: 70 }, { maxBytes: 70 }],
      ] as const) {
        const lines = openLines(await elsewhere({ streams: bound }), { token });
        await lines.send(names(5));
        await lines.got(5);
        await lines.send(names(5));
        const last = (await lines.all()).at(-1);
        expect(last).to.deep.include({ done: false, accepted: 5, refused: 0 });
        expect(last.problem).to.include({ code: "body-too-large", ...extra });
      }
      expect((await notes()).length).to.equal(10);
    });

    it("may be longer than an ordinary request, which is ended when its time is up", async () => {
      const { url: at } = await world.app({}, 300);
      const { token } = await party();
      const lines = openLines(`${at}${PATH}`, { token });
      for (let i = 1; i <= 8; i += 1) {
        await lines.send([{ name: `n${i}` }]);
        await delay(100);
      }
      lines.end();
      expect((await lines.all()).at(-1)).to.include({ done: true, accepted: 8 });
      const slow = openLines(`${at}/v1/notes`, {
        token,
        headers: { "content-type": "application/json" },
      });
      await slow.write('{"name":');
      expect(await slow.status()).to.equal(408);
      expect((await slow.all()).at(-1)).to.include({ code: "too-slow", retry: "same-key" });
      await slow.closed;
    });

    it("of time between two lines is ended, also when single bytes come; a full window does not count", async () => {
      const at = await elsewhere({ streams: { lineMs: 200 } });
      const { token } = await party();
      const lines = openLines(at, { token });
      await lines.send(names(2));
      const last = await whileRepeating(
        20,
        () => lines.write(" "),
        async () => (await lines.all()).at(-1),
      );
      expect(last).to.deep.include({ done: false, accepted: 2 });
      expect(last.problem).to.include({ code: "too-slow", retry: "same-key" });
      const name = randomUUID();
      const { open } = gate(name);
      const waiting = openLines(at, { token });
      const sent = waiting.send([{ name }, ...names(400)]);
      setTimeout(open, 600);
      await sent;
      waiting.end();
      expect((await waiting.all()).at(-1)).to.include({ done: true, accepted: 401 });
    });

    it("of time in all is ended", async () => {
      const { token } = await party();
      const lines = openLines(await elsewhere({ streams: { streamMs: 300 } }), { token });
      const last = await whileRepeating(
        50,
        () => lines.send([{ name: "again" }]),
        async () => (await lines.all()).at(-1),
      );
      expect(last.done).to.equal(false);
      expect(last.problem.code).to.equal("too-slow");
    });

    it("is thrown away for a while and then cut off, when its client does not stop sending", async () => {
      const { token } = await party();
      const at = new URL(await elsewhere({ streams: { maxLines: 1, lingerMs: 500 } }));
      const socket = connect(Number(at.port), at.hostname);
      socket.on("error", () => {});
      let got = "";
      socket.on("data", (chunk: Buffer) => (got += chunk.toString()));
      // a cut with bytes that nobody has read may come as a reset: `once` would fail at it
      const closed = new Promise((resolve) => socket.once("close", resolve));
      const head = [
        "Host: x",
        `Authorization: Bearer ${token}`,
        "Idempotency-Key: k",
        "Content-Type: application/x-ndjson",
        "Transfer-Encoding: chunked",
      ];
      socket.write(`POST ${PATH} HTTP/1.1\r\n${head.join("\r\n")}\r\n\r\n`);
      const line = '{"name":"a"}\n';
      let written = 0;
      const write = () =>
        socket.write(
          `${line.length.toString(16)}\r\n${line}\r\n`,
          (error) => (written += error ? 0 : 1),
        );
      const before = await whileRepeating(10, write, async () => {
        await until("the client reads the reason", () => got.includes('"done":false'));
        const atReason = written;
        await closed;
        return atReason;
      });
      expect(written - before, "lines that were still taken").to.be.greaterThan(1);
    });
  });

  describe("that ends with its process, or its database", () => {
    it("says so, and goes on at another gateway", async () => {
      const { token, notes } = await party();
      const stopping = new AbortController();
      const lines = openLines(await elsewhere({ stopping: stopping.signal }), { token });
      await lines.send(names(10));
      await lines.got(10);
      stopping.abort();
      const last = (await lines.all()).at(-1);
      expect(last).to.include({ done: false, accepted: 10 });
      expect(last.problem).to.include({ code: "unavailable", retry: "same-key" });
      expect((await sendLines(url, names(20), { token, key: lines.key })).last).to.include({
        done: true,
        accepted: 20,
        replayed: 10,
      });
      expect(await notes()).to.deep.equal(names(20).map((note) => note.name));
    });

    it("stops at a line that met a fault which passes, for the next would meet it too", async () => {
      const { token } = await party();
      const lines = openLines(url, { token });
      await lines.send([{ name: "a" }, { name: "serialize" }]);
      const results = await lines.all();
      expect(brief(results.slice(0, 2))).to.deep.equal([
        [1, 202],
        [2, "unavailable"],
      ]);
      expect(results[2]).to.deep.include({ done: false, accepted: 1, refused: 1 });
      lines.cut();
    });
  });

  describe("that is long", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const used = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const MEGABYTES = 1_048_576;
    function* large(count: number, more: object = {}) {
      for (let i = 1; i <= count; i += 1)
        yield JSON.stringify({ name: `n${i}`, ...more, filling: "f".repeat(6_000) });
    }

    it("takes no more memory than a short one: 10,000 lines of 6 kB", async function () {
      this.timeout(120_000);
      const { account, token } = await party();
      await sendLines(url, large(500), { token });
      const before = used();
      let most = 0;
      const lines = openLines(url, { token });
      let count = 0;
      for (const line of large(10_000)) {
        await lines.send([line]);
        count += 1;
        if (count % 500 === 0) most = Math.max(most, used() - before);
      }
      lines.end();
      expect((await lines.all()).at(-1)).to.include({ done: true, accepted: 10_000 });
      // 60 MB went in; its results, which this test keeps, are some of it
      expect(most / MEGABYTES).to.be.lessThan(16);
      expect(
        Number(
          (
            await world.sql<
              { n: bigint }[]
            >`select count(*) as n from notes where account = ${account}`
          )[0]?.n,
        ),
      ).to.equal(10_500);
    });

    it("is not read on when its answer is not, and takes no memory for it; when it is read it goes on", async function () {
      this.timeout(120_000);
      const { token } = await party();
      await sendLines(url, large(200, { echo: 6_000 }), { token });
      const [before, seen] = [used(), { ...linesSeen }];
      const lines = openLines(url, { token, reading: false });
      const sent = lines.send(large(8_000, { echo: 6_000 }));
      // what the two ends and the kernel between them take in, and then nothing more
      let [at, still] = [-1, 0];
      while (still < 10) {
        await delay(100);
        still = linesSeen.done === at ? still + 1 : 0;
        at = linesSeen.done;
      }
      expect(linesSeen.read - seen.read).to.be.within(1, 6_000);
      expect(linesSeen.read - linesSeen.done - (seen.read - seen.done)).to.be.lessThan(130);
      // all of it would be 96 MB; garbage that the collector has not got round to is some of this
      expect((used() - before) / MEGABYTES).to.be.lessThan(32);
      lines.read();
      await sent;
      lines.end();
      expect((await lines.all()).at(-1)).to.include({ done: true, accepted: 8_000 });
    });

    it("is cut off when its answer is not read at all, and its key is free", async function () {
      this.timeout(120_000);
      const { token } = await party();
      const at = await elsewhere({ streams: { readMs: 300 } });
      const lines = openLines(at, { token, reading: false });
      await lines.status();
      void lines.send(large(8_000, { echo: 6_000 }));
      const free = async () => {
        const again = openLines(url, { token, key: lines.key });
        const status = await again.status();
        again.cut();
        return status === 200;
      };
      expect(await free()).to.equal(false);
      await until("its key is free", free, 60_000);
      await lines.closed;
    });
  });
});
