/**
 * Reads pages of blocks from a node without trusting its answers.
 *
 * The headers of a page must link from the cursor's block to the page's last; a log must belong to
 * a header's block; and each header's bloom filter must be that of our logs in the block. If it
 * differs, either the block has logs of others, or the node held some of ours back: the block's
 * receipts decide.
 */
import { bloomOf, mayHave } from "../chain/bloom.ts";
import type { ChainClient, Header, RawLog } from "../chain/client.ts";

/** The node's answers do not fit together. */
export class Contradiction extends Error {}

/**
 * The headers of these blocks, and the logs of our addresses in them, in order. Throws a
 * Contradiction. `before`: the hash of the previous block.
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
      `the node's head is beyond ${to}, and it does not have all blocks up to there`,
    );
  let parent = before;
  for (const [i, header] of headers.entries()) {
    if (header.number !== from + i || header.parent !== parent)
      throw new Contradiction(`block ${from + i} is not the one after block ${from + i - 1}`);
    parent = header.hash;
  }
  const byBlock = Map.groupBy(logs, (log) => log.block);
  for (const block of byBlock.keys()) {
    if (block < from || block > to)
      throw new Contradiction(`there are logs of block ${block}, which was not asked for`);
  }
  for (const header of headers)
    await check(chain, addresses, header, byBlock.get(header.number) ?? []);
  return { headers, logs };
}

/**
 * Throws unless these are all our logs in the block. Usually the header shows it; otherwise the
 * receipts do.
 */
async function check(
  chain: ChainClient,
  addresses: readonly string[],
  header: Header,
  logs: readonly RawLog[],
): Promise<void> {
  const { number, hash, bloom } = header;
  if (logs.some((log) => log.blockHash !== hash))
    throw new Contradiction(`logs of block ${number} are of another block than its header`);
  if (logs.length === 0 && !addresses.some((address) => mayHave(bloom, address))) return;
  // no log before them, between them, or of others after them
  if (logs.every((log, i) => log.index === i) && bloomOf(logs) === bloom) return;
  const receipts = await chain.receiptLogs(addresses, number);
  const same =
    receipts.length === logs.length &&
    receipts.every((log, i) => log.index === logs[i]?.index && log.blockHash === hash);
  if (!same)
    throw new Contradiction(
      `block ${number} has ${receipts.length} logs of ours by its receipts, and the node gave ` +
        `${logs.length}`,
    );
}
