/**
 * The way between one gateway and its node: passes JSON-RPC on over HTTP, and does to single calls
 * what the window in force says (plan.ts has the tables of kinds). There is one chain; what makes
 * its node this gateway's own is that it can be out for this one alone.
 *
 * Calls of a batch are taken one after the other, as a node may; a cut, a loss or silence takes the
 * whole batch's answer with it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Transaction } from "ethers";
import { refusalOf } from "./limits.ts";
import { delayOf, type NodeFault, strikes, type Window } from "./plan.ts";

export type FaultyWay = {
  url: string;
  /** What happens to calls from now on; undefined: they pass. */
  force(window: Window | undefined): Promise<void>;
  /** What the node is from now on; undefined: well. Before any window. */
  takeOut(kind: NodeFault | undefined): Promise<void>;
  /** Calls that were struck so far. */
  struck(): number;
  close(): Promise<void>;
};

type Rpc = { id: unknown; method: string; params: unknown[] };
type Answered = { jsonrpc: string; id: unknown; result?: unknown; error?: unknown };
type Answer = Answered | "cut" | "silence" | "busy";

const RAW = "eth_sendRawTransaction";

export async function startFaultyWay(node: string): Promise<FaultyWay> {
  let current: { window: Window; calls: number; stands: number } | undefined;
  let out: { kind: NodeFault; stands: number } | undefined;
  let struck = 0;

  async function ask(body: string): Promise<unknown> {
    const answer = await fetch(node, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    return answer.json();
  }
  const forward = async (call: Rpc): Promise<Answered> => {
    const refusal = call.method === RAW ? refusalOf(String(call.params[0])) : undefined;
    return refusal === undefined
      ? ((await ask(JSON.stringify({ jsonrpc: "2.0", ...call }))) as Answered)
      : error(call.id, refusal);
  };
  const error = (id: unknown, message: string): Answered => ({
    jsonrpc: "2.0",
    id,
    error: { code: -32_000, message },
  });

  /** What a node says that is out, and takes connections nevertheless. */
  async function outOf(kind: NodeFault, stands: number, call: Rpc): Promise<Answer> {
    struck += 1;
    if (kind === "frozen") return "silence";
    if (kind === "still")
      return call.method === RAW
        ? { jsonrpc: "2.0", id: call.id, result: hashOf(call) }
        : standing(call, stands);
    const answered = await forward(call);
    return call.method === "eth_getLogs" && Array.isArray(answered.result)
      ? { ...answered, result: answered.result.slice(1) }
      : answered;
  }

  async function answer(call: Rpc): Promise<Answer> {
    if (out !== undefined) return outOf(out.kind, out.stands, call);
    if (current === undefined) return forward(call);
    const { window, stands } = current;
    const nth = current.calls;
    current.calls += 1;
    const { kind } = window;
    const concerned =
      kind === "nonce" || kind === "known" || kind === "duplicate"
        ? call.method === RAW
        : kind === "empty"
          ? call.method === "eth_getLogs"
          : true;
    if (!concerned || !strikes(window, nth)) return forward(call);
    struck += 1;
    switch (kind) {
      case "drop":
        return "silence";
      case "cut":
        return "cut";
      case "busy":
        return "busy";
      case "lose":
        await forward(call);
        return "cut";
      case "delay":
        await new Promise((resolve) => setTimeout(resolve, delayOf(window, nth)));
        return forward(call);
      case "duplicate":
        await forward(call);
        return forward(call);
      case "deny":
        await forward(call);
        return error(call.id, "internal error");
      case "nonce":
        return error(call.id, "nonce too low");
      case "known":
        return error(call.id, "already known");
      case "empty":
        return { ...(await forward(call)), result: [] };
      default:
        return standing(call, stands);
    }
  }

  /** What a node says that has no block after `last`. It still takes raw transactions. */
  async function standing(call: Rpc, last: number): Promise<Answered> {
    const quantity = `0x${last.toString(16)}`;
    const beyond = (block: unknown) =>
      typeof block === "string" && block.startsWith("0x") && Number(block) > last;
    const at = { eth_call: 1, eth_getTransactionCount: 1, eth_getCode: 1, eth_getBalance: 1 }[
      call.method
    ];
    if (at !== undefined) {
      if (beyond(call.params[at])) return error(call.id, "header not found");
      const params = call.params.map((param, i) =>
        i === at && param === "latest" ? quantity : param,
      );
      return forward({ ...call, params });
    }
    if (call.method === "eth_getBlockByNumber" && call.params[0] === "latest")
      return forward({ ...call, params: [quantity, ...call.params.slice(1)] });
    const answered = await forward(call);
    type Placed = { blockNumber?: string; number?: string } | null;
    const blockOf = (result: unknown) =>
      (result as Placed)?.blockNumber ?? (result as Placed)?.number;
    if (call.method === "eth_blockNumber")
      return beyond(answered.result) ? { ...answered, result: quantity } : answered;
    if (call.method === "eth_getBlockReceipts")
      return {
        ...answered,
        result: ((answered.result as Placed[] | null) ?? []).some((entry) => beyond(blockOf(entry)))
          ? null
          : answered.result,
      };
    if (Array.isArray(answered.result))
      return { ...answered, result: answered.result.filter((entry) => !beyond(blockOf(entry))) };
    return answered.result !== null &&
      typeof answered.result === "object" &&
      beyond(blockOf(answered.result))
      ? { ...answered, result: null }
      : answered;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const send = (answered: unknown) =>
      response.setHeader("content-type", "application/json").end(JSON.stringify(answered));
    if (current === undefined && out === undefined && !text.includes(RAW))
      return void send(await ask(text));
    const body = JSON.parse(text) as Rpc | Rpc[];
    const answers: Answered[] = [];
    for (const { id, method, params } of Array.isArray(body) ? body : [body]) {
      const answered = await answer({ id, method, params });
      // nobody answers: the caller's patience ends it, or the end of the run
      if (answered === "silence") return;
      if (answered === "cut") return void request.socket.destroy();
      if (answered === "busy") {
        response.statusCode = struck % 2 === 0 ? 503 : 429;
        return void response.end("<html><body>Busy</body></html>");
      }
      answers.push(answered);
    }
    send(Array.isArray(body) ? answers : answers[0]);
  }

  // a gateway that was killed has broken its connections: that is nobody's fault here
  const server = createServer(
    (request, response) => void serve(request, response).catch(() => request.socket.destroy()),
  );
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const end = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const head = async () => {
    const { result } = (await ask(
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_blockNumber", params: [] }),
    )) as { result: string };
    return Number(result);
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async force(window) {
      if (window === undefined) {
        current = undefined;
        return;
      }
      current = { window, calls: 0, stands: Math.max(0, (await head()) - window.amount) };
    },
    async takeOut(kind) {
      const before = out?.kind;
      out = kind === undefined ? undefined : { kind, stands: await head() };
      if (kind === "dead") return end();
      if (before === "dead") return listen(port);
      // whom nobody answered is let go
      if (before === "frozen") server.closeAllConnections();
    },
    struck: () => struck,
    close: end,
  };
}

const hashOf = (call: Rpc): string | null => Transaction.from(String(call.params[0])).hash;
