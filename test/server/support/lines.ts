/** A client of streams: writes lines and reads results on one connection, at the test's pace. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Loose } from "../network.ts";
import { until } from "./proxy.ts";

export type LinesOptions = {
  token: string;
  key?: string;
  headers?: Record<string, string>;
  reading?: boolean;
};
export type Lines = ReturnType<typeof openLines>;

export function openLines(
  url: string,
  { token, key = randomUUID(), headers = {}, reading = true }: LinesOptions,
) {
  const results: Loose[] = [];
  let response: IncomingMessage | undefined;
  let rest = "";
  let ended = false;
  const sending = request(url, {
    method: "POST",
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      "idempotency-key": key,
      "content-type": "application/x-ndjson",
      ...headers,
    },
  });
  const closed = new Promise<void>((resolve) => {
    sending.on("close", () => {
      ended = true;
      resolve();
    });
  });
  sending.on("error", () => {});
  const answered = once(sending, "response").then(([got]: IncomingMessage[]) => {
    response = got as IncomingMessage;
    response.on("error", () => {});
    response.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString("latin1")).split("\n");
      rest = lines.pop() ?? "";
      results.push(
        ...lines
          .filter((line) => line !== "")
          .map((line) => JSON.parse(Buffer.from(line, "latin1").toString()) as Loose),
      );
    });
    response.on("end", () => {
      if (rest !== "") results.push(JSON.parse(rest));
      ended = true;
    });
    if (!reading) response.pause();
    return response;
  });
  answered.catch(() => {});
  sending.flushHeaders();

  return {
    key,
    results,
    /** The answer's status, as soon as it arrives. */
    status: async () => (await answered).statusCode,
    /** Resolves when the connection has room for more. */
    async write(text: string | Uint8Array): Promise<void> {
      if (!sending.write(text)) await Promise.race([once(sending, "drain"), closed]);
    },
    /** Sends values as lines, as fast as the server reads them. */
    async send(values: Iterable<unknown>): Promise<void> {
      for (const value of values) {
        if (ended) return;
        await this.write(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
      }
    },
    end: () => void sending.end(),
    read: () => void response?.resume(),
    /** Waits for so many results. */
    async got(count: number): Promise<Loose[]> {
      await until(
        `${count} results`,
        () => {
          if (results.length < count && ended)
            throw new Error(
              `It ended after ${results.length} results: ${JSON.stringify(results.at(-1))}`,
            );
          return results.length >= count;
        },
        60_000,
      );
      return results;
    },
    /** All results, after the answer's end. */
    async all(): Promise<Loose[]> {
      await answered;
      await until("the answer's end", () => ended, 120_000);
      return results;
    },
    /** Cuts the connection. */
    cut: () => void sending.destroy(),
    ended: () => ended,
    closed,
  };
}

/** Sends all lines and returns all results. */
export async function sendLines(
  url: string,
  values: Iterable<unknown>,
  options: LinesOptions,
): Promise<{ results: Loose[]; last: Loose; key: string }> {
  const lines = openLines(url, options);
  await lines.send(values);
  lines.end();
  const all = [...(await lines.all())];
  const last = all.pop();
  return { results: all, last, key: lines.key };
}
