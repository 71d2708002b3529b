/** The sandbox's chain with blocks on demand: which requests cause a block. */
import { expect } from "chai";
import { JsonRpcProvider, Wallet } from "ethers";
import {
  passTime,
  SANDBOX_CHAIN_ID,
  type SandboxChain,
  startSandboxChain,
} from "../../sandbox/chain.ts";

describe("a chain with blocks on demand", () => {
  let chain: SandboxChain;
  let node: JsonRpcProvider;

  // no test waits as long as the idle interval: each block here has a cause
  before(async () => {
    chain = await startSandboxChain({ intervalMs: 10, idleMs: 3_600_000 });
    const options = { staticNetwork: true, pollingInterval: 20, cacheTimeout: -1 };
    node = new JsonRpcProvider(chain.url, SANDBOX_CHAIN_ID, options);
  });
  after(async () => {
    node.destroy();
    await chain.close();
  });

  const send = async () => {
    const wallet = Wallet.createRandom();
    const fields = {
      type: 0,
      chainId: SANDBOX_CHAIN_ID,
      nonce: 0,
      gasPrice: 0n,
      to: wallet.address,
    };
    return node.broadcastTransaction(
      await wallet.signTransaction({ ...fields, gasLimit: 21_000n }),
    );
  };

  it("mines one for a waiting transaction, and no other", async () => {
    const first = await (await send()).wait();
    const second = await (await send()).wait();
    // a transaction that arrives while a block is mined causes one more block
    expect(Number(second?.blockNumber) - Number(first?.blockNumber)).to.be.within(1, 2);
  });

  it("mines one if the time is set", async () => {
    const before = await node.getBlock("latest");
    await passTime(chain.url, 86_400);
    const after = await node.getBlock("latest");
    expect(Number(after?.timestamp) - Number(before?.timestamp)).to.be.at.least(86_400);
  });

  it("mines none while the interval is 0, and then includes all waiting transactions in the next block", async () => {
    await node.send("evm_setIntervalMining", [0]);
    const head = await node.getBlockNumber();
    const waiting = [await send(), await send()];
    expect(await node.getBlockNumber()).to.equal(head);
    for (const { hash } of waiting) expect(await node.getTransactionReceipt(hash)).to.equal(null);
    await node.send("evm_setIntervalMining", [10]);
    const receipts = await Promise.all(waiting.map((sent) => sent.wait()));
    expect(new Set(receipts.map((receipt) => receipt?.blockNumber)).size).to.equal(1);
  });
});
