/**
 * Blocks that strangers fill, at no cost: the follower processes each of them, and our events in
 * them keep their order.
 */

import { type ActKind, actKinds } from "@onepiao/protocol/ledger/acts.ts";
import {
  actMessage,
  compactSignature,
  digest,
  noSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import { expect } from "chai";
import { Wallet } from "ethers";
import { SANDBOX_CHAIN_ID, type SandboxChain, startSandboxChain } from "../../sandbox/chain.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { type ActArgument, ZERO_ACCOUNT } from "../../server/chain/contracts.ts";
import { readConfig } from "../../server/kernel/config.ts";
import {
  type Bench,
  byBureau,
  claimBy,
  decisionBy,
  enrolled,
  holder,
  openBench,
  type Party,
  type Process,
  sealed,
} from "./support/bench.ts";
import { moveOut } from "./support/gateway-process.ts";
import { until } from "./support/proxy.ts";

describe("blocks that strangers fill", () => {
  let chain: SandboxChain;
  let bench: Bench;
  let via: Process;
  let issuer: Party;
  let employer: Party;
  let rival: Party;

  // a separate chain: these tests mine blocks one by one
  before(async () => {
    chain = await startSandboxChain({ intervalMs: 50 });
    bench = await openBench({ rpcUrl: chain.url });
    via = (await bench.process()).start();
    issuer = await enrolled(bench, via, ["issuer"]);
    employer = await enrolled(bench, via, ["employer"]);
    rival = await enrolled(bench, via, ["employer"]);
  });
  after(async () => {
    await bench.close();
    await chain.close();
  });
  afterEach(() => rpc("evm_setIntervalMining", 50));

  async function rpc<T = unknown>(method: string, ...params: unknown[]): Promise<T> {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const answer = (await (
      await fetch(chain.url, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      })
    ).json()) as {
      result: T;
      error?: unknown;
    };
    if (answer.error) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  }

  type Receipt = { blockNumber: string; contractAddress: string; logs: { logIndex: string }[] };
  const receiptOf = (hash: string) =>
    until(
      "there is a receipt",
      async () => (await rpc<Receipt | null>("eth_getTransactionReceipt", hash)) ?? undefined,
    );

  /**
   * Queues an act of the bureau, and waits until its transaction is pending. Returns the
   * transaction's hash.
   */
  async function waiting(standing: 1 | 2): Promise<string> {
    const [id] = await bench.queue(byBureau(bench, "setStanding", issuer.index, standing));
    return until("it waits for a block", async () => {
      const [send] = await bench.sql<
        { hash: string }[]
      >`select s.hash from operations o join sends s on s.id = o.send where o.id = ${id ?? ""} and s.hash is not null`;
      return send && (await rpc("eth_getTransactionByHash", send.hash)) ? send.hash : undefined;
    });
  }

  // ── attempts ───────────────────────────────────────────────────────────────────────────────────

  type Named = { id: string; version: number };
  let refs = 1n << 200n;
  /** An act that this wallet signs without any gateway. */
  function signed(
    kind: ActKind,
    by: Wallet,
    taxpayer: number,
    invoices: Named[],
    more: Partial<ActArgument> = {},
  ): ActArgument {
    refs += 1n;
    const ref = `0x${refs.toString(16).padStart(64, "0")}`;
    const hash = digest(
      bench.contracts.domains.ledger,
      actMessage(kind, { taxpayer, ref, invoices }),
    );
    const signature = compactSignature(by.signingKey.sign(hash).serialized) ?? noSignature;
    return {
      kind: actKinds.indexOf(kind),
      to: ZERO_ACCOUNT,
      taxpayer,
      ref,
      invoices,
      evidence: [],
      signature,
      consent: noSignature,
      ...more,
    };
  }

  /** Sends acts to the chain without the gateway, and waits until the follower has passed them. */
  async function relayed(
    acts: ActArgument[],
    to = bench.deployment.ledger,
    data = bench.contracts.act(acts),
  ): Promise<string> {
    const { hash, ok, block } = await bench.stranger(to, data, 60_000_000n);
    expect(ok, "the test's own ground").equals(true);
    await until(
      "the follower is beyond it",
      async () => (await bench.sql`select 1 from cursor where block >= ${block}`).length === 1,
      60_000,
    );
    return hash;
  }

  /** The attempts at these invoices in the feed. */
  const tried = async (...numbers: string[]) =>
    (
      await bench.sql<
        { number: string; data: object; bureau: { by?: string; employer?: number } }[]
      >`
        select number, data, bureau from feed where type = 'reimbursement.refused' and number = any(${numbers}::numeric[]) order by position`
    ).map(({ number, data, bureau }) => ({
      number,
      ...data,
      by: bureau.by,
      employer: bureau.employer,
    }));
  const counted = async () =>
    Number(
      (
        await bench.sql<
          { n: number }[]
        >`select coalesce(sum(count), 0)::int as n from stats_acts where grain = 'month' and kind = 'refused'`
      )[0]?.n,
    );

  /**
   * Invoices that are claimed from the employer and reimbursed, by one act each; in ascending
   * order.
   */
  async function reimbursed(count: number): Promise<{ who: Wallet; numbers: string[] }> {
    const who = await holder(bench);
    const numbers = (await sealed(bench, via, issuer, { holder: who.address }, count)).sort();
    await bench.done(...(await bench.queue(claimBy(who, employer, ...numbers))));
    await bench.done(...(await bench.queue(decisionBy("Reimburse", employer, ...numbers))));
    return { who, numbers };
  }
  const versioned = (numbers: string[], version: number): Named[] =>
    numbers.map((id) => ({ id, version }));

  it("a hundred acts on a hundred invoices, each signed again and relayed repeatedly, count as one attempt", async () => {
    const { numbers } = await reimbursed(100);
    const before = await counted();
    const acts = Array.from({ length: 100 }, () =>
      signed("Reimburse", employer.wallet, employer.index, versioned(numbers, 2)),
    );
    await relayed(acts);
    await relayed([...acts].reverse());
    await relayed(Array.from({ length: 100 }, () => acts[0] as ActArgument));
    const refusals = (await bench.events()).filter(
      ({ name, args }) => name === "Refused" && args["id"] === numbers[0] && args["alarm"] === true,
    );
    expect(refusals.length, "the test's own ground").equals(300);
    expect(await tried(...numbers)).deep.equals([
      {
        number: numbers[0],
        reason: "already-reimbursed",
        attempt: "reimburse",
        by: employer.account,
        employer: employer.index,
      },
    ]);
    expect(await counted()).equals(before + 1);
  });

  it("attempts at different invoices, by other parties, at another employer's cost or of another kind count separately, once each", async () => {
    const { who, numbers } = await reimbursed(3);
    const [a, b, c] = numbers as [string, string, string];
    const before = await counted();
    const acts = [
      signed("Reimburse", employer.wallet, employer.index, versioned([a], 2)),
      signed("Reimburse", employer.wallet, employer.index, versioned([b], 2)),
      signed("Reimburse", rival.wallet, rival.index, versioned([a], 2)),
      signed("Claim", who, employer.index, versioned([c], 2)),
      signed("Claim", who, rival.index, versioned([c], 2)),
    ];
    await relayed(acts);
    await relayed([...acts, ...acts]);
    const reason = "already-reimbursed";
    expect(await tried(a, b, c)).deep.equals([
      { number: a, reason, attempt: "reimburse", by: employer.account, employer: employer.index },
      { number: b, reason, attempt: "reimburse", by: employer.account, employer: employer.index },
      { number: a, reason, attempt: "reimburse", by: rival.account, employer: rival.index },
      { number: c, reason, attempt: "claim", by: who.address, employer: employer.index },
      { number: c, reason, attempt: "claim", by: who.address, employer: rival.index },
    ]);
    expect(await counted()).equals(before + 5);
  });

  it("an attempt through another contract is counted without its details, and not again when it is sent directly", async () => {
    const { numbers } = await reimbursed(1);
    const [number] = numbers as [string];
    // calls the address in the first word with the rest of its input
    const runtime = "36602090038060205f375f5f915f5f5f355af100";
    const deployer = Wallet.createRandom();
    const raw = await deployer.signTransaction({
      type: 0,
      chainId: SANDBOX_CHAIN_ID,
      gasPrice: 0,
      nonce: 0,
      gasLimit: 1_000_000,
      data: `0x73${runtime}5f526014600cf3`,
    });
    const { contractAddress } = await receiptOf(await rpc<string>("eth_sendRawTransaction", raw));
    const acts = [1, 2].map(() =>
      signed("Reimburse", employer.wallet, employer.index, versioned([number], 2)),
    );
    const wrapped = `0x${bench.deployment.ledger.slice(2).padStart(64, "0")}${bench.contracts.act(acts).slice(2)}`;
    await relayed(acts, contractAddress, wrapped);
    const unknown = [
      {
        number,
        reason: "already-reimbursed",
        attempt: "reimburse",
        by: undefined,
        employer: undefined,
      },
    ];
    expect(await tried(number)).deep.equals(unknown);
    await relayed(acts, contractAddress, wrapped);
    await relayed([acts[0] as ActArgument]);
    expect(await tried(number)).deep.equals(unknown);
  });

  it("calldata that the contract's decoder accepts but no library writes: the attempt is still decoded", async () => {
    const { numbers } = await reimbursed(1);
    const signedAct = signed("Reimburse", employer.wallet, employer.index, versioned(numbers, 2));
    const words = bench.contracts.act([signedAct]).slice(10).match(/.{64}/g) as string[];
    // the act comes before the array that points to it: its offset is negative
    const act = words.slice(3);
    const word = (value: bigint) => BigInt.asUintN(256, value).toString(16).padStart(64, "0");
    const head = [
      word(BigInt(32 * (1 + act.length))),
      ...act,
      word(1n),
      word(BigInt(-32 * (act.length + 1))),
    ];
    await relayed(
      [],
      bench.deployment.ledger,
      `${bench.contracts.act([]).slice(0, 10)}${head.join("")}`,
    );
    expect(await tried(...numbers)).deep.equals([
      {
        number: numbers[0],
        reason: "already-reimbursed",
        attempt: "reimburse",
        by: employer.account,
        employer: employer.index,
      },
    ]);
  });

  // ── two claims on one version ──────────────────────────────────────────────────────────────────

  it("a holder that has signed two claims on one version for two employers is detected once, for any relayer of the second claim", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, via, issuer, { holder: who.address })) as [string];
    const second = signed("Claim", who, rival.index, versioned([number], 0));
    const before = await counted();
    await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    const junk = {
      ...second,
      signature: signed("Claim", employer.wallet, rival.index, versioned([number], 0)).signature,
    };
    await relayed([junk, second, second]);
    await relayed([second, signed("Claim", who, rival.index, versioned([number], 0))]);
    const attempt = {
      number,
      reason: "stale-version",
      attempt: "claim",
      by: who.address,
      employer: rival.index,
    };
    expect(await tried(number)).deep.equals([attempt]);
    // the same claim on the current version
    await relayed([signed("Claim", who, rival.index, versioned([number], 1))]);
    expect(await tried(number)).deep.equals([attempt]);
    expect(await counted()).equals(before + 1);
    const rows = () => bench.sql`select * from attempts order by block, log`;
    const [kept, feed] = [await rows(), await bench.sql`select * from feed order by position`];
    await via.follower.rebuild();
    await via.follower.caughtUp();
    expect(await rows()).deep.equals(kept);
    expect(await bench.sql`select * from feed order by position`).deep.equals(feed);
  });

  it("a stale claim accuses no holder: with another's key, for the same employer, or on a version without a claim", async () => {
    const who = await holder(bench);
    const [number, free] = (await sealed(bench, via, issuer, { holder: who.address }, 2)) as [
      string,
      string,
    ];
    await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    await bench.done(...(await bench.queue(decisionBy("Reject", employer, number))));
    const stranger = new Wallet(Wallet.createRandom().privateKey);
    await relayed([
      signed("Claim", stranger, rival.index, versioned([number], 0)),
      signed("Claim", rival.wallet, rival.index, versioned([number], 0)),
      signed("Claim", who, employer.index, versioned([number], 0)),
      signed("Claim", who, rival.index, versioned([number], 1)),
      signed("Claim", who, rival.index, versioned([free], 7)),
    ]);
    expect(await tried(number, free)).deep.equals([]);
  });

  it("a key removed from its account signs nothing more, not even an act that it could have signed before", async () => {
    const who = await holder(bench);
    const [number] = (await sealed(bench, via, issuer, { holder: who.address })) as [string];
    await bench.done(...(await bench.queue(claimBy(who, employer, number))));
    await bench.done(
      ...(await bench.queue(
        byBureau(bench, "rotateKey", who.address, (await holder(bench)).address),
      )),
    );
    await relayed([signed("Claim", who, rival.index, versioned([number], 0))]);
    expect(await tried(number)).deep.equals([]);
  });

  // ── more logs than 16 bits can count ───────────────────────────────────────────────────────────

  it("65,536 empty logs before ours: each of our events keeps its place in the feed, and a rebuild gives the same", async () => {
    // any sender: a key without funds. The contract emits the requested number of empty logs
    const stranger = Wallet.createRandom();
    const send = async (nonce: number, fields: { to?: string; data: string; gasLimit: number }) =>
      rpc<string>(
        "eth_sendRawTransaction",
        await stranger.signTransaction({
          type: 0,
          chainId: SANDBOX_CHAIN_ID,
          gasPrice: 0,
          nonce,
          ...fields,
        }),
      );
    const { contractAddress: to } = await receiptOf(
      await send(0, {
        gasLimit: 1_000_000,
        data: "0x6e5f355b5f5fa06001900380600257005f52600f6011f3",
      }),
    );
    await via.follower.caughtUp();

    await rpc("evm_setIntervalMining", 0);
    const junk = await send(1, {
      to,
      gasLimit: 29_000_000,
      data: `0x${(65_536).toString(16).padStart(64, "0")}`,
    });
    const hashes = [await waiting(2)];
    await rpc("evm_mine");
    // at the start of the next block
    hashes.push(await waiting(1));
    await rpc("evm_mine");
    await rpc("evm_setIntervalMining", 50);
    const [before, first, second] = [
      await receiptOf(junk),
      await receiptOf(hashes[0] as string),
      await receiptOf(hashes[1] as string),
    ];
    const [block, next] = [Number(first.blockNumber), Number(second.blockNumber)];
    expect(
      [before.logs.length, Number(before.blockNumber), Number(first.logs[0]?.logIndex), next],
      "the test's own ground",
    ).deep.equals([65_536, block, 65_536, block + 1]);

    await until(
      "the follower has gone on",
      async () => (await bench.sql`select 1 from cursor where block > ${next}`).length === 1,
      60_000,
    );
    const eventRows = () => bench.sql<
      { position: bigint; type: string; tx: string; log_index: number }[]
    >`
      select position, type, tx, log_index from feed order by position`;
    const rows = await eventRows();
    expect(rows.slice(-2)).deep.equals([
      {
        position: BigInt(block) << 27n,
        type: "taxpayer.suspended",
        tx: hashes[0],
        log_index: 65_536,
      },
      { position: BigInt(next) << 27n, type: "taxpayer.reinstated", tx: hashes[1], log_index: 0 },
    ]);
    await via.follower.rebuild();
    await via.follower.caughtUp();
    expect(await eventRows()).deep.equals(rows);
  });

  // ── a real process ─────────────────────────────────────────────────────────────────────────────

  it("a gateway that is killed, and reads such a block at its start, processes it", async () => {
    const { numbers } = await reimbursed(100);
    await via.stop();
    const place = {
      gateway: { url: "", stop: async () => {} },
      deployment: bench.deployment,
      config: readConfig({
        RPC_URL: chain.url,
        DATABASE_URL: bench.databaseUrl,
        MASTER_KEY: bench.masterKey,
        DEPLOYMENT: "given",
        PORT: "0",
        LOG_LEVEL: "info",
        POLL_MS: "50",
      }),
    } as unknown as Sandbox;
    const first = await moveOut(place, "info");
    await until("it follows", async () => (await fetch(`${place.gateway.url}/readyz`)).ok);
    first.kill();
    await place.gateway.stop();
    const acts = Array.from({ length: 100 }, () =>
      signed("Reimburse", employer.wallet, employer.index, versioned(numbers, 2)),
    );
    const { block, ok } = await bench.stranger(
      bench.deployment.ledger,
      bench.contracts.act(acts),
      60_000_000n,
    );
    expect(ok, "the test's own ground").equals(true);
    await moveOut(place, "info");
    try {
      await until(
        "it is beyond the block",
        async () => (await bench.sql`select 1 from cursor where block > ${block}`).length === 1,
        60_000,
      );
      expect((await fetch(`${place.gateway.url}/livez`)).status).equals(200);
      expect(await tried(...numbers)).lengthOf(1);
    } finally {
      await place.gateway.stop();
    }
  });
});
