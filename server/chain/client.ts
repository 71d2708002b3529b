/**
 * What the gateway asks of its node, over plain JSON-RPC: head, blocks, logs, receipts, calls, raw
 * transactions.
 *
 * Asks by number and hash alone: no filters, no watchers, no `pending`. Says `NodeDown` when no
 * answer came, and `NodeRefused` with the node's own text when the node answered an error; what
 * either means for what happens next is its `fault`.
 */
import { isError, type JsonRpcPayload, JsonRpcProvider, type JsonRpcResult, Network } from "ethers";
import { type Fault, faultOf, faultOfSilence } from "./faults.ts";

const METHOD_NOT_FOUND = -32_601;

export class NodeDown extends Error {
  override name = "NodeDown";
  readonly fault: Fault;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = faultOfSilence(message);
  }
}
export class NodeRefused extends Error {
  override name = "NodeRefused";
  readonly data: string | undefined;
  readonly fault: Fault;
  /** @param code JSON-RPC's. */
  constructor(message: string, data?: string, code?: number) {
    super(message);
    this.data = data;
    this.fault =
      code === METHOD_NOT_FOUND ? { word: "down", reason: "method-missing" } : faultOf(message);
  }
}

export type Block = { number: number; hash: string; parent: string; time: number };
/** `bloom` is over the addresses and topics of all logs in the block (chain/bloom.ts). */
export type Header = Block & { bloom: string };
export type RawLog = {
  address: string;
  topics: string[];
  data: string;
  block: number;
  blockHash: string;
  index: number;
  tx: string;
};
export type Receipt = { block: number; ok: boolean; gasUsed: bigint };

export type ChainClient = {
  chainId(): Promise<number>;
  head(): Promise<number>;
  block(number: number): Promise<Block | undefined>;
  /** Gas that the newest block has room for. */
  blockGas(): Promise<bigint>;
  /**
   * The headers of these blocks, in order; fewer when the node does not have them all. Asked in
   * batches.
   */
  headers(from: number, to: number): Promise<Header[]>;
  /**
   * Logs of these addresses alone, in order; with topics, those that have them (null: any; several:
   * one of them). A topic proves nothing about who emitted it.
   */
  logs(
    addresses: readonly string[],
    from: number,
    to: number,
    topics?: readonly (string | readonly string[] | null)[],
  ): Promise<RawLog[]>;
  /**
   * The same logs of one block, taken from its transactions' receipts: another way to ask the same.
   */
  receiptLogs(addresses: readonly string[], block: number): Promise<RawLog[]>;
  receipts(hashes: readonly string[]): Promise<(Receipt | undefined)[]>;
  transactionInput(hash: string): Promise<string | undefined>;
  /** Transactions of this address up to this block; up to the latest when there is none. */
  nonce(address: string, block?: number): Promise<number>;
  call(to: string, data: string, from?: string, block?: number): Promise<string>;
  broadcast(raw: string): Promise<void>;
  close(): void;
};

type RpcBlock = {
  number: string;
  hash: string;
  parentHash: string;
  timestamp: string;
  logsBloom: string;
  gasLimit: string;
  transactions: string[];
};
type RpcLog = {
  address: string;
  topics: string[];
  data: string;
  blockNumber: string;
  blockHash: string;
  logIndex: string;
  transactionHash: string;
};
type RpcReceipt = { blockNumber: string; status: string; gasUsed: string; logs: RpcLog[] };

const headerOf = (found: RpcBlock): Header => ({
  number: Number(found.number),
  hash: found.hash,
  parent: found.parentHash,
  time: Number(found.timestamp),
  bloom: found.logsBloom,
});

const inOrder = (logs: readonly RpcLog[]): RawLog[] =>
  logs
    .map((log) => ({
      address: log.address,
      topics: log.topics,
      data: log.data,
      block: Number(log.blockNumber),
      blockHash: log.blockHash,
      index: Number(log.logIndex),
      tx: log.transactionHash,
    }))
    .sort((a, b) => a.block - b.block || a.index - b.index);

const quantity = (n: number) => `0x${n.toString(16)}`;

/**
 * ethers' provider, for its batches, over one request of our own: it is ended when its time is up,
 * or an unanswered one would keep the process from ending; and its answer is read by the platform.
 * ethers decodes text a code point at a time in JavaScript, which holds the event loop for half a
 * second over one megabyte of calldata.
 */
class Provider extends JsonRpcProvider {
  readonly #url: string;
  readonly #timeoutMs: number;

  constructor(url: string, chainId: number | undefined, timeoutMs: number) {
    super(url, chainId === undefined ? undefined : Network.from(chainId), {
      staticNetwork: chainId !== undefined,
      batchMaxCount: 100,
      batchStallTime: 1,
      cacheTimeout: -1,
    });
    this.#url = url;
    this.#timeoutMs = timeoutMs;
  }

  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const headers = { "content-type": "application/json" };
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const asked = fetch(this.#url, {
      method: "POST",
      headers,
      body: JSON.stringify(payload),
      signal,
      redirect: "error",
    });
    const response = await asked.catch((error: Error) => {
      // what the connection met is inside of "fetch failed"
      throw error.cause ?? error;
    });
    if (!response.ok) throw new Error(`server response ${response.status} ${response.statusText}`);
    // errors among them, too: whoever has asked tells them apart
    const answers = (await response.json()) as JsonRpcResult | JsonRpcResult[];
    return Array.isArray(answers) ? answers : [answers];
  }
}

/** @param chainId Asked of the node when it is not given. */
export function createChainClient(url: string, chainId?: number, timeoutMs = 10_000): ChainClient {
  const provider = new Provider(url, chainId, timeoutMs);

  async function send<T>(method: string, params: unknown[]): Promise<T> {
    try {
      return (await provider.send(method, params)) as T;
    } catch (cause) {
      const answered = nodeAnswer(cause);
      if (answered) throw new NodeRefused(answered.message, answered.data, answered.code);
      throw new NodeDown(cause instanceof Error ? cause.message.slice(0, 300) : String(cause), {
        cause,
      });
    }
  }

  /**
   * In one call where the node has it, otherwise one by one. Throws when the node has not all of
   * them.
   */
  async function blockReceipts(block: number): Promise<RpcReceipt[]> {
    const missing = () => new NodeRefused(`The node has not all receipts of block ${block}`);
    try {
      const found = await send<RpcReceipt[] | null>("eth_getBlockReceipts", [quantity(block)]);
      if (!found) throw missing();
      return found;
    } catch (cause) {
      if (!(cause instanceof NodeRefused) || cause.fault.reason !== "method-missing") throw cause;
    }
    const found = await send<RpcBlock | null>("eth_getBlockByNumber", [quantity(block), false]);
    if (!found) throw missing();
    const all = await Promise.all(
      found.transactions.map((hash) =>
        send<RpcReceipt | null>("eth_getTransactionReceipt", [hash]),
      ),
    );
    return all.map((receipt) => {
      if (!receipt) throw missing();
      return receipt;
    });
  }

  return {
    chainId: async () => Number(await send<string>("eth_chainId", [])),
    head: async () => Number(await send<string>("eth_blockNumber", [])),
    async block(number) {
      const found = await send<RpcBlock | null>("eth_getBlockByNumber", [quantity(number), false]);
      return found ? headerOf(found) : undefined;
    },
    blockGas: async () =>
      BigInt((await send<RpcBlock>("eth_getBlockByNumber", ["latest", false])).gasLimit),
    async headers(from, to) {
      const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
      const found = await Promise.all(
        numbers.map((number) =>
          send<RpcBlock | null>("eth_getBlockByNumber", [quantity(number), false]),
        ),
      );
      return found.filter((one) => one !== null).map(headerOf);
    },
    async logs(addresses, from, to, topics) {
      const filter = {
        address: addresses,
        fromBlock: quantity(from),
        toBlock: quantity(to),
        ...(topics ? { topics } : {}),
      };
      return inOrder(await send<RpcLog[]>("eth_getLogs", [filter]));
    },
    async receiptLogs(addresses, block) {
      const ours = new Set(addresses.map((address) => address.toLowerCase()));
      const found = await blockReceipts(block);
      return inOrder(
        found
          .flatMap((receipt) => receipt.logs)
          .filter((log) => ours.has(log.address.toLowerCase())),
      );
    },
    receipts: (hashes) =>
      Promise.all(
        hashes.map(async (hash) => {
          const found = await send<RpcReceipt | null>("eth_getTransactionReceipt", [hash]);
          return found
            ? {
                block: Number(found.blockNumber),
                ok: Number(found.status) === 1,
                gasUsed: BigInt(found.gasUsed),
              }
            : undefined;
        }),
      ),
    transactionInput: async (hash) =>
      (await send<{ input: string } | null>("eth_getTransactionByHash", [hash]))?.input,
    nonce: async (address, block) =>
      Number(
        await send<string>("eth_getTransactionCount", [
          address,
          block === undefined ? "latest" : quantity(block),
        ]),
      ),
    call: (to, data, from, block) =>
      send<string>("eth_call", [
        { to, data, ...(from ? { from } : {}) },
        block === undefined ? "latest" : quantity(block),
      ]),
    broadcast: async (raw) => void (await send<string>("eth_sendRawTransaction", [raw])),
    close: () => provider.destroy(),
  };
}

type RpcError = { code?: number; message?: string; data?: unknown };

/** The error that the node itself answered, wherever the library has put it. */
function nodeAnswer(cause: unknown): { message: string; code: number; data?: string } | undefined {
  if (
    isError(cause, "TIMEOUT") ||
    isError(cause, "SERVER_ERROR") ||
    isError(cause, "NETWORK_ERROR")
  )
    return undefined;
  const seen = cause as { info?: { error?: RpcError }; error?: RpcError; data?: unknown };
  const error = seen.info?.error ?? seen.error;
  if (!error) return undefined;
  const data =
    typeof error.data === "string"
      ? error.data
      : typeof seen.data === "string"
        ? seen.data
        : (error.data as { data?: unknown } | undefined)?.data;
  return {
    message: String(error.message ?? "").slice(0, 300),
    code: Number(error.code),
    ...(typeof data === "string" ? { data } : {}),
  };
}
