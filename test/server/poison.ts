/** Blocks that strangers fill, free of charge: the follower gets over each of them, and what is ours in them keeps its order. */
import { expect } from "chai";
import { Wallet } from "ethers";
import { SANDBOX_CHAIN_ID, type SandboxChain, startSandboxChain } from "../../server/chain/sandbox.ts";
import { type Bench, byBureau, enrolled, openBench, type Party, type Process } from "./support/bench.ts";
import { until } from "./support/proxy.ts";

describe("blocks that strangers fill", () => {
  let chain: SandboxChain;
  let bench: Bench;
  let via: Process;
  let issuer: Party;

  // a chain of its own: blocks are made one by one here
  before(async () => {
    chain = await startSandboxChain({ intervalMs: 50 });
    bench = await openBench({ rpcUrl: chain.url });
    via = (await bench.process()).start();
    issuer = await enrolled(bench, via, ["issuer"]);
  });
  after(async () => {
    await bench.close();
    await chain.close();
  });
  afterEach(() => rpc("evm_setIntervalMining", 50));

  async function rpc<T = unknown>(method: string, ...params: unknown[]): Promise<T> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = (await (await fetch(chain.url, { method: "POST", body, headers: { "content-type": "application/json" } })).json()) as {
      result: T;
      error?: unknown;
    };
    if (answer.error) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  }

  type Receipt = { blockNumber: string; contractAddress: string; logs: { logIndex: string }[] };
  const receiptOf = (hash: string) => until("there is a receipt", async () => (await rpc<Receipt | null>("eth_getTransactionReceipt", hash)) ?? undefined);

  /** Queues an act of the bureau's, and waits until its transaction waits for a block. Returns the transaction's hash. */
  async function waiting(standing: 1 | 2): Promise<string> {
    const [id] = await bench.queue(byBureau(bench, "setStanding", issuer.index, standing));
    return until("it waits for a block", async () => {
      const [send] = await bench.sql<
        { hash: string }[]
      >`select s.hash from operations o join sends s on s.id = o.send where o.id = ${id ?? ""} and s.hash is not null`;
      return send && (await rpc("eth_getTransactionByHash", send.hash)) ? send.hash : undefined;
    });
  }

  it("65,536 empty logs before ours: each of our events keeps its place in the feed, and a rebuild gives the same", async () => {
    // anybody: a key without funds. The contract makes as many empty logs as it is asked for
    const stranger = Wallet.createRandom();
    const send = async (nonce: number, fields: { to?: string; data: string; gasLimit: number }) =>
      rpc<string>("eth_sendRawTransaction", await stranger.signTransaction({ type: 0, chainId: SANDBOX_CHAIN_ID, gasPrice: 0, nonce, ...fields }));
    const { contractAddress: to } = await receiptOf(await send(0, { gasLimit: 1_000_000, data: "0x6e5f355b5f5fa06001900380600257005f52600f6011f3" }));
    await via.follower.caughtUp();

    await rpc("evm_setIntervalMining", 0);
    const junk = await send(1, { to, gasLimit: 29_000_000, data: `0x${(65_536).toString(16).padStart(64, "0")}` });
    const hashes = [await waiting(2)];
    await rpc("evm_mine");
    // at the beginning of the next block
    hashes.push(await waiting(1));
    await rpc("evm_mine");
    await rpc("evm_setIntervalMining", 50);
    const [before, first, second] = [await receiptOf(junk), await receiptOf(hashes[0] as string), await receiptOf(hashes[1] as string)];
    const [block, next] = [Number(first.blockNumber), Number(second.blockNumber)];
    expect([before.logs.length, Number(before.blockNumber), Number(first.logs[0]?.logIndex), next], "the test's own ground").deep.equals([
      65_536,
      block,
      65_536,
      block + 1,
    ]);

    await until("the follower has gone on", async () => (await bench.sql`select 1 from cursor where block > ${next}`).length === 1);
    const told = () => bench.sql<{ position: bigint; type: string; tx: string; log_index: number }[]>`
      select position, type, tx, log_index from feed order by position`;
    const rows = await told();
    expect(rows.slice(-2)).deep.equals([
      { position: BigInt(block) << 27n, type: "taxpayer.suspended", tx: hashes[0], log_index: 65_536 },
      { position: BigInt(next) << 27n, type: "taxpayer.reinstated", tx: hashes[1], log_index: 0 },
    ]);
    await via.follower.rebuild();
    await via.follower.caughtUp();
    expect(await told()).deep.equals(rows);
  });
});
