/**
 * Blocks that cost a stranger nothing: how the gateway answers while it follows them, and how soon
 * it has passed them. An employer that keeps its own key has signed a hundred second reimbursements
 * of a hundred invoices; anyone with a node may send them.
 */
import { randomBytes } from "node:crypto";
import { actKinds } from "@onepiao/protocol/ledger/acts.ts";
import {
  actMessage,
  compactSignature,
  digest,
  noSignature,
} from "@onepiao/protocol/ledger/messages.ts";
import { Transaction, Wallet } from "ethers";
import { createClient } from "../../../clients/typescript/index.ts";
import { SANDBOX_CHAIN_ID } from "../../../sandbox/chain.ts";
import { createChainClient, NodeDown } from "../../../server/chain/client.ts";
import {
  type ActArgument,
  createContracts,
  ZERO_ACCOUNT,
} from "../../../server/chain/contracts.ts";
import type { Place } from "./network.ts";
import { cpuOf } from "./processes.ts";

/**
 * Milliseconds of `/livez` during the measurement; from the block's receipt to the cursor beyond
 * it; CPU seconds of the gateway; new attempts reported.
 */
export type Poison = {
  name: string;
  p50: number;
  p99: number;
  max: number;
  followed: number;
  cpu: number;
  attempts: number;
};

const INVOICES = 100;
const SMALL = 30;
const ASKED = 40;
const GAS = 60_000_000n;
const PROBE_MS = 5;
const PATIENCE_MS = 300_000;
/** `/livez` is asked for at least this long, the block's own time included. */
const WATCHED_MS = 2_000;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until<T>(event: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await pause(PROBE_MS)) {
    const value = await look();
    if (value !== undefined) return value;
  }
  throw new Error(`Not within ${PATIENCE_MS / 1_000} s: ${event}`);
}

export async function measurePoison(
  place: Place,
  rpcUrl: string,
  bureau: string,
): Promise<Poison[]> {
  const client = createClient({ url: place.url, patience: { tries: 10 } });
  const chain = createChainClient(rpcUrl, SANDBOX_CHAIN_ID);
  const contracts = createContracts(place.deployment);
  const [holder, payer, till] = [place.employers[0], place.employers[1], place.tills[0]];
  if (!holder || !payer || !till) throw new Error("There are too few parties");

  /** Untitled invoices of the holder, claimed from an employer; their numbers and the claim. */
  async function claimed(count: number, employer: string) {
    const document = JSON.parse(`${till?.head}${randomBytes(8).toString("hex")}${till?.tail}`);
    const numbers = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const body = {
          ...document,
          sourceId: `${document.sourceId}-${i}`,
          buyer: { name: "个人" },
          holder: holder?.account,
        };
        const token = till?.token;
        return (await client.done("POST /v1/invoices", { body, token })).body.number;
      }),
    );
    numbers.sort();
    const body = { employer, invoices: numbers };
    const { body: claim } = await client.done("POST /v1/claims", { body, token: holder?.token });
    return { numbers, id: claim.id };
  }

  const cursor = async () =>
    Number((await place.sql<{ block: bigint }[]>`select block from cursor`)[0]?.block ?? 0n);
  const reported = async () =>
    (
      await place.sql<
        { n: number }[]
      >`select count(*)::int as n from feed where type = 'reimbursement.refused'`
    )[0]?.n ?? 0;

  /**
   * Asks `/livez` until the work is done, and at least for WATCHED_MS; latency counts from when a
   * request was due.
   */
  async function watched(name: string, work: () => Promise<number>): Promise<Poison> {
    const [before, cpu] = [await reported(), cpuOf(place.process.pid)];
    const latencies: number[] = [];
    let over = false;
    const asking = (async () => {
      const begun = performance.now();
      for (let due = begun; !over || performance.now() - begun < WATCHED_MS; due += PROBE_MS) {
        if (performance.now() < due) await pause(due - performance.now());
        const sent = performance.now();
        await (await fetch(`${place.url}/livez`)).arrayBuffer();
        latencies.push(performance.now() - Math.min(sent, due + PROBE_MS));
        due = Math.max(due, performance.now() - PROBE_MS);
      }
    })();
    const followed = await work().finally(() => {
      over = true;
    });
    await asking;
    latencies.sort((a, b) => a - b);
    const at = (share: number) =>
      latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN;
    return {
      name,
      p50: at(0.5),
      p99: at(0.99),
      max: at(1),
      followed,
      cpu: cpuOf(place.process.pid) - cpu,
      attempts: (await reported()) - before,
    };
  }

  /**
   * The transaction that anyone may send with these acts; made before the measurement, because
   * making it takes this process's time.
   */
  async function sent(acts: ActArgument[]): Promise<string> {
    const wallet = Wallet.createRandom();
    const transaction = {
      type: 0,
      chainId: SANDBOX_CHAIN_ID,
      nonce: 0,
      gasPrice: 0n,
      gasLimit: GAS,
      to: place.deployment.ledger,
      data: contracts.act(acts),
    };
    return wallet.signTransaction(transaction);
  }

  /** Milliseconds from the receipt to the cursor beyond the block. */
  async function relayed(raw: string): Promise<number> {
    const { hash } = Transaction.from(raw);
    // a node that takes long to compute such a block is not the gateway's concern
    const patient = <T>(asked: Promise<T>) =>
      asked.catch((cause: unknown) =>
        cause instanceof NodeDown ? undefined : Promise.reject(cause),
      );
    await patient(chain.broadcast(raw));
    const block = await until(
      "a receipt",
      async () => (await patient(chain.receipts([hash ?? ""])))?.[0]?.block,
    );
    const since = performance.now();
    await until("the gateway is beyond the block", async () =>
      (await cursor()) >= block ? true : undefined,
    );
    return performance.now() - since;
  }

  try {
    // an employer that keeps its own key
    const wallet = new Wallet(`0x${randomBytes(32).toString("hex")}`);
    const key = { custody: "own" as const, address: wallet.address };
    const taxId = place.spareTaxId;
    const { body: made } = await client.done("POST /v1/taxpayers", {
      body: { name: "employer of its own", taxId, capabilities: ["employer"], key },
      token: bureau,
    });
    const employer = made.index;
    const sign = (numbers: readonly string[], version: number, place_: number): ActArgument => {
      const [ref, invoices] = [
        `0x${place_.toString(16).padStart(64, "0")}`,
        numbers.map((id) => ({ id, version })),
      ];
      const hash = digest(
        contracts.domains.ledger,
        actMessage("Reimburse", { taxpayer: employer, ref, invoices }),
      );
      const signature = compactSignature(wallet.signingKey.sign(hash).serialized) ?? noSignature;
      return {
        kind: actKinds.indexOf("Reimburse"),
        to: ZERO_ACCOUNT,
        taxpayer: employer,
        ref,
        invoices,
        evidence: [],
        signature,
        consent: noSignature,
      };
    };
    const { numbers } = await claimed(INVOICES, taxId);
    await relayed(await sent([sign(numbers, 1, 1)]));
    const acts = Array.from({ length: 100 }, (_, i) => sign(numbers, 2, i + 2));
    const report = await claimed(SMALL, payer.taxId);
    await client.done("POST /v1/claims/{id}/reimburse", {
      params: { id: report.id },
      token: payer.token,
    });

    const raw = [
      await sent(acts),
      await sent(acts),
      await sent(Array.from({ length: 100 }, () => acts[0] as ActArgument)),
    ] as [string, string, string];
    const quiet = await watched("nothing", async () => 0);
    const hundred = await watched("100 acts of 100 invoices", () => relayed(raw[0]));
    const again = await watched("the same, replayed", () => relayed(raw[1]));
    const copies = await watched("100 copies of one act", () => relayed(raw[2]));
    const asked = await watched(`${ASKED} reimbursements of a claim of ${SMALL}`, async () => {
      const since = performance.now();
      await Promise.all(
        Array.from({ length: ASKED }, () =>
          client.send("POST", `/v1/claims/${report.id}/reimburse`, {
            token: payer.token,
            wait: 20,
          }),
        ),
      );
      return performance.now() - since;
    });
    return [quiet, hundred, again, copies, asked];
  } finally {
    chain.close();
  }
}
