/**
 * The gateway's requests to its node, over plain JSON-RPC: head, blocks, logs, receipts, calls, raw
 * transactions.
 *
 * It asks by number and hash only: no filters, no watchers, no `pending`. Throws `NodeDown` if no
 * answer came, and `NodeRefused` with the node's text if the node answered with an error; `fault`
 * tells what either means for the next step.
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
  /** @param code The code of JSON-RPC. */
  constructor(message: string, data?: string, code?: number) {
    super(message);
    this.data = data;
    this.fault =
      code === METHOD_NOT_FOUND ? { word: "down", reason: "method-missing" } : faultOf(message);
  }
}

export type Block = { number: number; hash: string; parent: string; time: number };
/** `bloom` covers the addresses and topics of all logs in the block (chain/bloom.ts). */
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
  /** The gas limit of the newest block. */
  blockGas(): Promise<bigint>;
  /**
   * The headers of these blocks, in order; fewer if the node does not have them all. Sent in
   * batches.
   */
  headers(from: number, to: number): Promise<Header[]>;
  /**
   * Only logs of these addresses, in order; with topics, only those that have them (null: any;
   * several: one of them). A topic proves nothing about the emitter.
   */
  logs(
    addresses: readonly string[],
    from: number,
    to: number,
    topics?: readonly (string | readonly string[] | null)[],
  ): Promise<RawLog[]>;
  /** The same logs of one block, taken from the receipts of its transactions: a second source. */
  receiptLogs(addresses: readonly string[], block: number): Promise<RawLog[]>;
  receipts(hashes: readonly string[]): Promise<(Receipt | undefined)[]>;
  transactionInput(hash: string): Promise<string | undefined>;
  /** The number of transactions of this address up to this block, by default up to the latest. */
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

const headerOf = (response: RpcBlock): Header => ({
  number: Number(response.number),
  hash: response.hash,
  parent: response.parentHash,
  time: Number(response.timestamp),
  bloom: response.logsBloom,
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
 * ethers' provider, for its batches, with our own request: a request ends when its time is up,
 * because an unanswered one would keep the process from ending; and the platform decodes the
 * answer, because ethers decodes text in JavaScript, one code point at a time, which blocks the
 * event loop for half a second for a megabyte of calldata.
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
    const pending = fetch(this.#url, {
      method: "POST",
      headers,
      body: JSON.stringify(payload),
      signal,
      redirect: "error",
    });
    const response = await pending.catch((error: Error) => {
      // "fetch failed" hides the error of the connection
      throw error.cause ?? error;
    });
    if (!response.ok) throw new Error(`server response ${response.status} ${response.statusText}`);
    // some of them may be errors: the caller tells them apart
    const answers = (await response.json()) as JsonRpcResult | JsonRpcResult[];
    return Array.isArray(answers) ? answers : [answers];
  }
}

/** @param chainId If absent, the node is asked. */
export function createChainClient(url: string, chainId?: number, timeoutMs = 10_000): ChainClient {
  const provider = new Provider(url, chainId, timeoutMs);

  async function send<T>(method: string, params: unknown[]): Promise<T> {
    try {
      return (await provider.send(method, params)) as T;
    } catch (cause) {
      const answer = nodeAnswer(cause);
      if (answer) throw new NodeRefused(answer.message, answer.data, answer.code);
      throw new NodeDown(cause instanceof Error ? cause.message.slice(0, 300) : String(cause), {
        cause,
      });
    }
  }

  /**
   * Receipts of a block, in one call if the node has it, otherwise one by one. Throws if the node
   * does not have all of them.
   */
  async function blockReceipts(block: number): Promise<RpcReceipt[]> {
    const missing = () => new NodeRefused(`The node does not have all receipts of block ${block}`);
    try {
      const response = await send<RpcReceipt[] | null>("eth_getBlockReceipts", [quantity(block)]);
      if (!response) throw missing();
      return response;
    } catch (cause) {
      if (!(cause instanceof NodeRefused) || cause.fault.reason !== "method-missing") throw cause;
    }
    const response = await send<RpcBlock | null>("eth_getBlockByNumber", [quantity(block), false]);
    if (!response) throw missing();
    const all = await Promise.all(
      response.transactions.map((hash) =>
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
      const response = await send<RpcBlock | null>("eth_getBlockByNumber", [
        quantity(number),
        false,
      ]);
      return response ? headerOf(response) : undefined;
    },
    blockGas: async () =>
      BigInt((await send<RpcBlock>("eth_getBlockByNumber", ["latest", false])).gasLimit),
    async headers(from, to) {
      const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
      const response = await Promise.all(
        numbers.map((number) =>
          send<RpcBlock | null>("eth_getBlockByNumber", [quantity(number), false]),
        ),
      );
      return response.filter((header) => header !== null).map(headerOf);
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
      const accounts = new Set(addresses.map((address) => address.toLowerCase()));
      const response = await blockReceipts(block);
      return inOrder(
        response
          .flatMap((receipt) => receipt.logs)
          .filter((log) => accounts.has(log.address.toLowerCase())),
      );
    },
    receipts: (hashes) =>
      Promise.all(
        hashes.map(async (hash) => {
          const response = await send<RpcReceipt | null>("eth_getTransactionReceipt", [hash]);
          return response
            ? {
                block: Number(response.blockNumber),
                ok: Number(response.status) === 1,
                gasUsed: BigInt(response.gasUsed),
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

/** The error that the node itself answered, wherever the library keeps it. */
function nodeAnswer(cause: unknown): { message: string; code: number; data?: string } | undefined {
  if (
    isError(cause, "TIMEOUT") ||
    isError(cause, "SERVER_ERROR") ||
    isError(cause, "NETWORK_ERROR")
  )
    return undefined;
  const carrier = cause as { info?: { error?: RpcError }; error?: RpcError; data?: unknown };
  const error = carrier.info?.error ?? carrier.error;
  if (!error) return undefined;
  const data =
    typeof error.data === "string"
      ? error.data
      : typeof carrier.data === "string"
        ? carrier.data
        : (error.data as { data?: unknown } | undefined)?.data;
  return {
    message: String(error.message ?? "").slice(0, 300),
    code: Number(error.code),
    ...(typeof data === "string" ? { data } : {}),
  };
}
