/**
 * Pauses parts of the run's network, so that a test's request reliably comes before their work.
 * Each pause ends after the test's work, also if that fails.
 */
import { sealerLock } from "../../../server/sealing/sealer.ts";
import { BLOCK_MS, sandbox } from "../network.ts";
import { database } from "../observe.ts";

/**
 * Meanwhile no lot is closed: this holds the sealer's lock, like a second gateway on the same
 * database.
 */
export async function whileNothingIsSealed<T>(work: () => Promise<T>): Promise<T> {
  return (await database()).begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${sealerLock})`;
    return work();
  });
}

/** Meanwhile the chain mines no block: transactions wait. */
export async function whileNoBlockComes<T>(work: () => Promise<T>): Promise<T> {
  const { rpcUrl } = await sandbox();
  const every = async (milliseconds: number) => {
    const body = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "evm_setIntervalMining",
      params: [milliseconds],
    });
    const response = await fetch(rpcUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const { error } = (await response.json()) as { error?: { message: string } };
    if (error) throw new Error(error.message);
  };
  await every(0);
  try {
    return await work();
  } finally {
    await every(BLOCK_MS);
  }
}
