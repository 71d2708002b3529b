/**
 * The load generator: 50 tills, or other callers, in a separate process so that its CPU time is
 * known and not counted as the gateway's.
 *
 * `closed`: each connection sends its next request when it has its answer; the rate is measured.
 * `open`: requests are due at a constant rate whatever the answers do, and latency counts from when
 * a request was due, so a stall shows in every request that it held up (no coordinated omission).
 * Bodies are texts with a gap for the original's id; nothing is serialised during the measurement.
 * Nothing is tried again: an answer outside 2xx is counted by its code, and a broken connection
 * ends the job.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build, type Histogram } from "hdr-histogram-js";
import { Client, type Dispatcher, Pool } from "undici";
import { answer } from "./child.ts";

/** An issuer's invoices: `head`, an id that no other has, `tail`. */
export type Till = { token: string; head: string; tail: string };
export type Prepared = { path: string; token: string; body?: string };
/** Invoices without end, issuer by issuer; or requests from a list, in order. */
export type Work = { tills: readonly Till[] } | { list: readonly Prepared[] };
/** Milliseconds. */
export type Latency = { p50: number; p99: number; max: number };
export type Measured = {
  /** Answers in 2xx; others by code. */
  done: number;
  refused: Record<string, number>;
  /** When the first request was sent and the last answer arrived, in milliseconds since 1970. */
  begun: number;
  ended: number;
  latency: Latency;
  /** Bodies of the answers to a list, in its order. */
  answers: string[];
};
type Bounds = {
  /** Ends after this many milliseconds, with what is under way. */
  milliseconds?: number;
  count?: number;
};
export type LoadCommands = {
  closed(
    job: Bounds & { url: string; connections: number; work: Work; waitSeconds?: number },
  ): Promise<Measured>;
  /**
   * Each till sends a batch of this many lines at the same time; a batch's latency runs from its
   * first line to its last result.
   */
  batches(job: { url: string; tills: readonly Till[]; lines: number }): Promise<Measured>;
  open(job: {
    url: string;
    connections: number;
    work: Work;
    perSecond: number;
    milliseconds: number;
  }): Promise<Measured>;
  /** 2xx answers of the job under way. */
  progress(): number;
};

type Next = () => { path: string; token: string; body: string | undefined } | undefined;

/** The histogram counts microseconds. */
const newHistogram = (): Histogram =>
  build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000_000,
    numberOfSignificantValueDigits: 3,
  });
export const latencyOf = (histogram: Histogram): Latency => ({
  p50: histogram.getValueAtPercentile(50) / 1_000,
  p99: histogram.getValueAtPercentile(99) / 1_000,
  max: histogram.maxValue / 1_000,
});
export { newHistogram };

let done = 0;

function requestsOf(work: Work): Next {
  let at = 0;
  if ("list" in work) {
    return () => {
      const prepared = work.list[at];
      at += 1;
      return prepared && { path: prepared.path, token: prepared.token, body: prepared.body };
    };
  }
  const run = randomBytes(6).toString("hex");
  return () => {
    const till = work.tills[at % work.tills.length];
    at += 1;
    return (
      till && {
        path: "/v1/invoices",
        token: till.token,
        body: `${till.head}${run}-${at}${till.tail}`,
      }
    );
  };
}

type Sent = { status: number; body: string };

function send(
  through: Dispatcher,
  { path, token, body }: NonNullable<ReturnType<Next>>,
  key: string,
  waitSeconds: number,
): Promise<Sent> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    "idempotency-key": key,
  };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (waitSeconds > 0) headers["prefer"] = `wait=${waitSeconds}`;
  return new Promise((resolve, reject) => {
    let status = 0;
    let text = "";
    through.dispatch(
      { method: "POST", path, headers, body: body ?? null },
      {
        onRequestStart() {},
        onResponseStart(_controller, code) {
          status = code;
        },
        onResponseData(_controller, chunk) {
          text += chunk.toString();
        },
        onResponseEnd: () => resolve({ status, body: text }),
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

/**
 * Counts answers; `take` gets each answer and when its request was sent or due (performance.now).
 */
function counting() {
  const histogram = newHistogram();
  const refused: Record<string, number> = {};
  const answers: string[] = [];
  done = 0;
  const time = (since: number) =>
    histogram.recordValue(Math.max(1, Math.round((performance.now() - since) * 1_000)));
  const accept = () => {
    done += 1;
  };
  const refuse = (body: string, status?: number) => {
    const [, code] = /"code":"([^"]+)"/.exec(body) ?? [];
    const name = `${status ?? ""} ${code ?? ""}`.trim();
    refused[name] = (refused[name] ?? 0) + 1;
  };
  return {
    time,
    accept,
    refuse,
    take(place: number, { status, body }: Sent, since: number, keep: boolean) {
      time(since);
      if (status < 200 || status >= 300) return refuse(body, status);
      accept();
      if (keep) answers[place] = body;
    },
    result: (begun: number, ended: number): Measured => ({
      done,
      refused,
      begun,
      ended,
      latency: latencyOf(histogram),
      answers,
    }),
  };
}

const options = { pipelining: 1, headersTimeout: 120_000, bodyTimeout: 120_000 };

const commands: LoadCommands = {
  async closed({
    url,
    connections,
    work,
    milliseconds = Number.POSITIVE_INFINITY,
    count = Number.POSITIVE_INFINITY,
    waitSeconds = 0,
  }) {
    const counted = counting();
    const next = requestsOf(work);
    const keys = randomBytes(8).toString("hex");
    let sent = 0;
    const clients = Array.from({ length: connections }, () => new Client(url, options));
    const begun = Date.now();
    const end = performance.now() + milliseconds;
    await Promise.all(
      clients.map(async (client) => {
        while (sent < count && performance.now() < end) {
          const request = next();
          if (request === undefined) return;
          const place = sent;
          sent += 1;
          const since = performance.now();
          counted.take(
            place,
            await send(client, request, `${keys}-${place}`, waitSeconds),
            since,
            "list" in work,
          );
        }
      }),
    );
    const ended = Date.now();
    await Promise.all(clients.map((client) => client.close()));
    return counted.result(begun, ended);
  },

  async open({ url, connections, work, perSecond, milliseconds }) {
    const counted = counting();
    const next = requestsOf(work);
    const keys = randomBytes(8).toString("hex");
    const pool = new Pool(url, { ...options, connections });
    const total = Math.round((perSecond * milliseconds) / 1_000);
    const begun = Date.now();
    const start = performance.now();
    const replies: Promise<void>[] = [];
    while (replies.length < total) {
      const due = Math.min(
        total,
        Math.floor(((performance.now() - start) * perSecond) / 1_000) + 1,
      );
      while (replies.length < due) {
        const place = replies.length;
        const since = start + (place * 1_000) / perSecond;
        const request = next();
        if (request === undefined) break;
        replies.push(
          send(pool, request, `${keys}-${place}`, 0).then((reply) =>
            counted.take(place, reply, since, false),
          ),
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.all(replies);
    const ended = Date.now();
    await pool.close();
    return counted.result(begun, ended);
  },

  async batches({ url, tills, lines }) {
    const counted = counting();
    const run = randomBytes(6).toString("hex");
    const begun = Date.now();
    await Promise.all(
      tills.map(async ({ token, head, tail }, till) => {
        const since = performance.now();
        const headers = {
          authorization: `Bearer ${token}`,
          "idempotency-key": `${run}-${till}`,
          "content-type": "application/x-ndjson",
        };
        const sending = request(`${url}/v1/invoices/batch`, {
          method: "POST",
          agent: false,
          headers,
        });
        sending.flushHeaders();
        const [response] = (await once(sending, "response")) as [IncomingMessage];
        const sent = (async () => {
          for (let line = 1; line <= lines; line += 1) {
            if (!sending.write(`${head}${run}-${till}-${line}${tail}\n`))
              await once(sending, "drain");
          }
          sending.end();
        })();
        let last = "";
        for await (const line of createInterface({ input: response })) {
          last = line;
          if (line.includes('"problem"')) counted.refuse(line);
          else if (line.startsWith('{"line"')) counted.accept();
        }
        await sent;
        if (!last.startsWith('{"done":true'))
          throw new Error(
            `A batch was answered ${response.statusCode} and has not come to its end: ${last}`,
          );
        counted.time(since);
      }),
    );
    return counted.result(begun, Date.now());
  },

  progress: () => done,
};

if (process.argv[1] === fileURLToPath(import.meta.url)) answer(commands);
