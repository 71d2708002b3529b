/**
 * Reads pages of blocks from a node that is not believed on its word alone.
 *
 * The headers of a page have to link from the cursor's block to its last; a log has to be of a
 * header's block; and the bloom filter of each header has to be that of our logs in the block.
 * Where it is not, others' logs are in it, or some of ours were held back: then the block's
 * receipts tell which.
 */
import { bloomOf, mayHave } from "../chain/bloom.ts";
import type { ChainClient, Header, RawLog } from "../chain/client.ts";

/** The node's answers do not fit together. */
export class Contradiction extends Error {}

/**
 * The headers of these blocks, and the logs of our addresses in them, in order. Throws a
 * Contradiction. `before`: hash of the block before.
 */
export async function readBlocks(
  chain: ChainClient,
  addresses: readonly string[],
  before: string,
  from: number,
  to: number,
) {
  const [headers, logs] = await Promise.all([
    chain.headers(from, to),
    chain.logs(addresses, from, to),
  ]);
  if (headers.length !== to - from + 1)
    throw new Contradiction(
      `the node's head is beyond ${to}, and it has not all blocks up to there`,
    );
  let parent = before;
  for (const [i, header] of headers.entries()) {
    if (header.number !== from + i || header.parent !== parent)
      throw new Contradiction(`block ${from + i} is not the one after block ${from + i - 1}`);
    parent = header.hash;
  }
  const byBlock = Map.groupBy(logs, (one) => one.block);
  for (const block of byBlock.keys()) {
    if (block < from || block > to)
      throw new Contradiction(`there are logs of block ${block}, which was not asked for`);
  }
  for (const header of headers)
    await check(chain, addresses, header, byBlock.get(header.number) ?? []);
  return { headers, logs };
}

/**
 * Throws unless these are all our logs in the block. Mostly the header says so; otherwise the
 * receipts are asked.
 */
async function check(
  chain: ChainClient,
  addresses: readonly string[],
  header: Header,
  logs: readonly RawLog[],
): Promise<void> {
  const { number, hash, bloom } = header;
  if (logs.some((one) => one.blockHash !== hash))
    throw new Contradiction(`logs of block ${number} are of another block than its header`);
  if (logs.length === 0 && !addresses.some((address) => mayHave(bloom, address))) return;
  // nothing before them, between them, or of other words after them
  if (logs.every((one, i) => one.index === i) && bloomOf(logs) === bloom) return;
  const receipts = await chain.receiptLogs(addresses, number);
  const same =
    receipts.length === logs.length &&
    receipts.every((one, i) => one.index === logs[i]?.index && one.blockHash === hash);
  if (!same)
    throw new Contradiction(
      `block ${number} has ${receipts.length} logs of ours by its receipts, and the node gave ${logs.length}`,
    );
}
