/**
 * Evidence that an untouched invoice is sealed: its lot's header, its leaf, and the path between
 * them, rebuilt from the lot's stored leaves; for an imported invoice, the path that came with it.
 * Trees are cached by lot, because a sealed lot never changes.
 */
import {
  type Evidence,
  type Leaf,
  type LotHeader,
  type LotTree,
  leafHash,
  lotTree,
} from "@onepiao/protocol/ledger/tree.ts";
import { leavesOf } from "../accepted/leaves.ts";
import type { Tx } from "../db/db.ts";
import type { RowOf } from "../db/tables.ts";

export type SealedLot = { header: LotHeader; leaves: Leaf[]; tree: LotTree };
export type EvidenceSource = {
  /** Undefined while the lot is not sealed, or if some of its documents are elsewhere. */
  lot(tx: Tx, first: string): Promise<SealedLot | undefined>;
  /** Throws if the stored leaves of its lot are not the sealed ones. */
  get(tx: Tx, number: string): Promise<Evidence | undefined>;
  /**
   * By number. An invoice without evidence has no entry; an invoice has an error if the stored
   * leaves of its lot are not the sealed ones.
   */
  getMany(tx: Tx, numbers: readonly string[]): Promise<Map<string, Evidence | Error>>;
};

const CACHED_LOTS = 256;

/** The stored leaves were modified. */
class OtherLeaves extends Error {}

export function createEvidence(): EvidenceSource {
  const cache = new Map<string, SealedLot>();

  async function lot(tx: Tx, first: string): Promise<SealedLot | undefined> {
    const known = cache.get(first);
    if (known) return known;
    const [header] = await tx<RowOf<"lot_now", "first" | "count" | "issuer" | "time" | "root">[]>`
      select first, count, issuer, time, root from lot_now where first = ${first}`;
    if (!header) return undefined;
    const leaves = await leavesOf(tx, header.first, header.count);
    if (leaves.length !== header.count) return undefined;
    const tree = lotTree(leaves.map(leafHash));
    if (tree.root !== header.root)
      throw new OtherLeaves(`The stored leaves of lot ${first} do not give the sealed root`);
    const sealed = { header: { ...header, time: Number(header.time) }, leaves, tree };
    if (cache.size >= CACHED_LOTS) cache.delete(cache.keys().next().value as string);
    cache.set(first, sealed);
    return sealed;
  }

  async function importedAmong(tx: Tx, numbers: readonly string[]): Promise<Map<string, Evidence>> {
    type Row = Leaf & Omit<LotHeader, "time"> & { number: string; time: bigint; path: string[] };
    const rows = await tx<Row[]>`
      select m.number, m.path, l.first, l.count, l.issuer, l.time, l.root, i.content,
        i.leaf_holder as holder, i.leaf_buyer as buyer
      from imported_now m join lot_now l on l.first = m.lot
        join accepted_now i on i.number = m.number
          where m.number = any(${[...numbers]}::numeric[])`;
    return new Map(
      rows.map(({ number, path, first, count, issuer, time, root, content, holder, buyer }) => [
        number,
        {
          lot: { first, count, issuer, time: Number(time), root },
          leaf: { content, holder, buyer },
          proof: path,
        },
      ]),
    );
  }

  const source: EvidenceSource = {
    lot,
    async get(tx, number) {
      const evidence = (await source.getMany(tx, [number])).get(number);
      if (evidence instanceof Error) throw evidence;
      return evidence;
    },
    async getMany(tx, numbers) {
      const rows = await tx<(RowOf<"record_now", "number"> & { lot: string })[]>`
        select number, lot from record_now where number = any(${numbers}::numeric[])
          and lot is not null`;
      const evidence = new Map<string, Evidence | Error>();
      const imports = await importedAmong(tx, numbers);
      for (const { number, lot: first } of rows) {
        const imported = imports.get(number);
        if (imported) {
          evidence.set(number, imported);
          continue;
        }
        const sealed = await lot(tx, first).catch((cause: unknown) => {
          if (cause instanceof OtherLeaves) return cause;
          throw cause;
        });
        if (!sealed) continue;
        if (sealed instanceof Error) {
          evidence.set(number, sealed);
          continue;
        }
        const position = Number(BigInt(number) - BigInt(sealed.header.first));
        evidence.set(number, {
          lot: sealed.header,
          leaf: sealed.leaves[position] as Leaf,
          proof: sealed.tree.proof(position),
        });
      }
      return evidence;
    },
  };
  return source;
}
