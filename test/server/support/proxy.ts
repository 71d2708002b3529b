/**
 * A faulty network between a gateway and its node: passes JSON-RPC on over HTTP, and applies the
 * faults of a test's rule to single calls.
 *
 * Calls of a batch are handled one after the other, as a node may do. A cut or a lost answer loses
 * the whole batch's answer. It refuses the transactions that geth refuses for their size or their
 * gas, which the sandbox's node takes.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { refusalOf } from "../../../scripts/lab/chaos/limits.ts";

export type Call = { method: string; params: unknown[] };

/**
 * cut: the connection breaks before the node sees the call. lose: the node takes it and the
 * connection breaks. hang: nobody answers, the node does not see it. double: the node gets it twice
 * and the second answer counts. refuse: the proxy answers with an error that the node did not send.
 * deny: the node takes it and the answer is an error nevertheless. answer: the proxy's own result.
 * edit: the node gets other parameters. status: the whole request is answered with this HTTP status
 * and a page of HTML.
 */
export type Fault =
  | "cut"
  | "lose"
  | "hang"
  | "double"
  | { refuse: string }
  | { deny: string }
  | { answer: unknown }
  | { edit: unknown[] }
  | { status: number }
  | { delayMs: number };

export type Rule = (call: Call) => Fault | undefined | Promise<Fault | undefined>;

export type FaultyNode = {
  url: string;
  /** The faults of calls from now on; without a rule calls pass. */
  rule: Rule | undefined;
  /** Calls from the gateway, with and without faults. */
  seen: Call[];
  /** Calls that nobody answers. */
  hanging(): number;
  /** Cuts their connections. */
  release(): void;
  /** The raw transactions that the gateway sent, in order. */
  raws(): string[];
  close(): Promise<void>;
};

type Rpc = Call & { id: unknown };

export async function startProxy(target: string): Promise<FaultyNode> {
  const seen: Call[] = [];
  const hanging: (() => void)[] = [];

  const ask = async (body: string): Promise<string> => {
    const answer = await fetch(target, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    return answer.text();
  };
  const forward = async (
    { id, method }: Rpc,
    params: unknown[],
  ): Promise<Record<string, unknown>> => {
    const refusal = method === "eth_sendRawTransaction" ? refusalOf(String(params[0])) : undefined;
    if (refusal !== undefined) return error(id, refusal);
    return JSON.parse(await ask(JSON.stringify({ jsonrpc: "2.0", id, method, params }))) as Record<
      string,
      unknown
    >;
  };
  const error = (id: unknown, message: string) => ({
    jsonrpc: "2.0",
    id,
    error: { code: -32_000, message },
  });

  /** The answer to one call; undefined: the connection is to be cut. */
  async function answerTo(
    call: Rpc,
    response: ServerResponse,
  ): Promise<Record<string, unknown> | undefined> {
    seen.push({ method: call.method, params: call.params });
    const fault = await proxy.rule?.(call);
    if (fault === "cut") return undefined;
    if (fault === "hang") return new Promise((resolve) => hanging.push(() => resolve(undefined)));
    if (fault === "double") await forward(call, call.params);
    if (typeof fault === "object") {
      if ("refuse" in fault) return error(call.id, fault.refuse);
      if ("answer" in fault) return { jsonrpc: "2.0", id: call.id, result: fault.answer };
      if ("status" in fault) response.statusCode = fault.status;
      if ("delayMs" in fault) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    }
    const answer = await forward(
      call,
      typeof fault === "object" && "edit" in fault ? fault.edit : call.params,
    );
    if (fault === "lose") return undefined;
    return typeof fault === "object" && "deny" in fault ? error(call.id, fault.deny) : answer;
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Rpc | Rpc[];
    const answers: unknown[] = [];
    try {
      if (
        proxy.rule === undefined &&
        Array.isArray(body) &&
        !body.some(({ method }) => method === "eth_sendRawTransaction")
      ) {
        // the whole batch unchanged: one by one, a page of headers takes seconds on a busy machine
        seen.push(...body.map(({ method, params }) => ({ method, params })));
        response.setHeader("content-type", "application/json");
        return void response.end(await ask(JSON.stringify(body)));
      }
      for (const call of Array.isArray(body) ? body : [body]) {
        const answer = await answerTo(call, response);
        if (answer === undefined) return void request.socket.destroy();
        answers.push(answer);
      }
    } catch {
      // the node itself is down
      return void request.socket.destroy();
    }
    if (response.statusCode !== 200)
      return void response.end("<html><body>Bad gateway</body></html>");
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(Array.isArray(body) ? answers : answers[0]));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultyNode = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    rule: undefined,
    seen,
    hanging: () => hanging.length,
    release() {
      for (const cut of hanging.splice(0)) cut();
    },
    raws: () =>
      seen
        .filter((call) => call.method === "eth_sendRawTransaction")
        .map((call) => call.params[0] as string),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        proxy.release();
        server.closeAllConnections();
      }),
  };
  return proxy;
}

/**
 * Numbers in [0, 1) that follow from the seed (mulberry32), so that a run with faults can be
 * repeated.
 */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Polls until `look` returns a value, and returns it; fails with the words after the deadline. */
export async function until<T>(
  words: string,
  look: () => T | undefined | false | null | Promise<T | undefined | false | null>,
  deadlineMs = 60_000,
): Promise<T> {
  for (const end = Date.now() + deadlineMs; ; ) {
    const result = await look();
    if (result !== undefined && result !== false && result !== null) return result;
    if (Date.now() > end) throw new Error(`Not within ${deadlineMs} ms: ${words}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
