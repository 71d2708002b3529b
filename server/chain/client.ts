/**
 * What the gateway asks of its node, over plain JSON-RPC: head, blocks, logs, receipts, calls, raw transactions.
 *
 * Asks by number and hash alone: no filters, no watchers, no `pending`. Says `NodeDown` when no answer came, so that its
 * caller knows the outcome is unknown; and `NodeRefused` with the node's own text when the node answered an error.
 */
import { FetchRequest, isError, JsonRpcProvider, Network } from "ethers";

export class NodeDown extends Error {
  override name = "NodeDown";
}
export class NodeRefused extends Error {
  override name = "NodeRefused";
  readonly data: string | undefined;
  constructor(message: string, data?: string) {
    super(message);
    this.data = data;
  }
}

export type Block = { number: number; hash: string; parent: string; time: number };
export type RawLog = { address: string; topics: string[]; data: string; block: number; blockHash: string; index: number; tx: string };
export type Receipt = { block: number; ok: boolean; gasUsed: bigint };

export type ChainClient = {
  chainId(): Promise<number>;
  head(): Promise<number>;
  block(number: number): Promise<Block | undefined>;
  /** Logs of these addresses alone, in order. A topic proves nothing about who emitted it. */
  logs(addresses: readonly string[], from: number, to: number): Promise<RawLog[]>;
  receipts(hashes: readonly string[]): Promise<(Receipt | undefined)[]>;
  transactionInput(hash: string): Promise<string | undefined>;
  /** Transactions of this address in the latest block. */
  nonce(address: string): Promise<number>;
  call(to: string, data: string, from?: string, block?: number): Promise<string>;
  broadcast(raw: string): Promise<void>;
  close(): void;
};

const quantity = (n: number) => `0x${n.toString(16)}`;

/** @param chainId Asked of the node when it is not given. */
export function createChainClient(url: string, chainId?: number, timeoutMs = 10_000): ChainClient {
  const request = new FetchRequest(url);
  request.timeout = timeoutMs;
  const provider = new JsonRpcProvider(request, chainId === undefined ? undefined : Network.from(chainId), {
    staticNetwork: chainId !== undefined,
    batchMaxCount: 100,
    batchStallTime: 1,
    cacheTimeout: -1,
  });

  async function send<T>(method: string, params: unknown[]): Promise<T> {
    try {
      return (await provider.send(method, params)) as T;
    } catch (cause) {
      const answered = nodeAnswer(cause);
      if (answered) throw new NodeRefused(answered.message, answered.data);
      throw new NodeDown(cause instanceof Error ? cause.message.slice(0, 300) : String(cause), { cause });
    }
  }

  return {
    chainId: async () => Number(await send<string>("eth_chainId", [])),
    head: async () => Number(await send<string>("eth_blockNumber", [])),
    async block(number) {
      const found = await send<{ number: string; hash: string; parentHash: string; timestamp: string } | null>("eth_getBlockByNumber", [
        quantity(number),
        false,
      ]);
      return found ? { number: Number(found.number), hash: found.hash, parent: found.parentHash, time: Number(found.timestamp) } : undefined;
    },
    async logs(addresses, from, to) {
      type Log = { address: string; topics: string[]; data: string; blockNumber: string; blockHash: string; logIndex: string; transactionHash: string };
      const found = await send<Log[]>("eth_getLogs", [{ address: addresses, fromBlock: quantity(from), toBlock: quantity(to) }]);
      return found
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
    },
    receipts: (hashes) =>
      Promise.all(
        hashes.map(async (hash) => {
          const found = await send<{ blockNumber: string; status: string; gasUsed: string } | null>("eth_getTransactionReceipt", [hash]);
          return found ? { block: Number(found.blockNumber), ok: Number(found.status) === 1, gasUsed: BigInt(found.gasUsed) } : undefined;
        }),
      ),
    transactionInput: async (hash) => (await send<{ input: string } | null>("eth_getTransactionByHash", [hash]))?.input,
    nonce: async (address) => Number(await send<string>("eth_getTransactionCount", [address, "latest"])),
    call: (to, data, from, block) => send<string>("eth_call", [{ to, data, ...(from ? { from } : {}) }, block === undefined ? "latest" : quantity(block)]),
    broadcast: async (raw) => void (await send<string>("eth_sendRawTransaction", [raw])),
    close: () => provider.destroy(),
  };
}

/** The error that the node itself answered, wherever the library has put it. */
function nodeAnswer(cause: unknown): { message: string; data?: string } | undefined {
  if (isError(cause, "TIMEOUT") || isError(cause, "SERVER_ERROR") || isError(cause, "NETWORK_ERROR")) return undefined;
  const seen = cause as { info?: { error?: { message?: string; data?: unknown } }; error?: { message?: string; data?: unknown }; data?: unknown };
  const error = seen.info?.error ?? seen.error;
  if (!error) return undefined;
  const data = typeof error.data === "string" ? error.data : typeof seen.data === "string" ? seen.data : (error.data as { data?: unknown } | undefined)?.data;
  return { message: String(error.message ?? "").slice(0, 300), ...(typeof data === "string" ? { data } : {}) };
}
