/**
 * Parts of the run's network held still, so that a test asks before they have worked, and not
 * whenever it happens to be first. Each lets go when the work is over, whatever became of it.
 */
import { sealerLock } from "../../../server/sealing/sealer.ts";
import { BLOCK_MS, sandbox } from "../network.ts";
import { database } from "../observe.ts";

/**
 * No lot is closed meanwhile: the sealer's lock is taken, as by a second gateway on the same
 * database.
 */
export async function whileNothingIsSealed<T>(work: () => Promise<T>): Promise<T> {
  return (await database()).begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(${sealerLock})`;
    return work();
  });
}

/** The chain makes no block meanwhile: what is sent waits. */
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
