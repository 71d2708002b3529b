/**
 * The bureau's directory of taxpayers: companies by tax id, enrolled or not. Buyers are looked up
 * here when an invoice is titled to a company that the chain does not have yet.
 *
 * Names are public, and stand in the table as they are (docs/adr/0039-directory.md). A search reads
 * a bounded number of rows, however common the text is. Owns the table directory. Does not own: how
 * a line becomes a row (directory-lines.ts), and enrolling (buyers.ts).
 */
import { foldName } from "@onepiao/protocol/values/names.ts";
import { normaliseTaxId } from "@onepiao/protocol/values/tax-id.ts";
import type { Sql, Tx } from "../../db/db.ts";
import type { RowOf } from "../../db/tables.ts";
import type { Taxpayers } from "./taxpayers.ts";

export type Company = { taxId: string; name: string };
/** `removed`: the directory no longer has it. */
export type DirectoryRow = Company & { removed: boolean };
/** By the tax id or its beginning, or by a part of the name. */
export type Query = { taxId: string } | { name: string };
/** `more`: not all that match are here. */
export type Matches = { items: Company[]; more: boolean };

/** Where companies are looked up: in this gateway's table, or at the bureau's gateway. */
export type Lookup = {
  find(tx: Tx, taxId: string): Promise<Company | undefined>;
  search(tx: Tx, query: Query, limit: number): Promise<Matches>;
};
export type Directory = Lookup & {
  /** Stores rows; of several with one tax id the last one counts. Returns how many changed. */
  put(tx: Tx, rows: readonly DirectoryRow[]): Promise<number>;
};

/** Comes after every other character in the order of bytes. */
const LAST = "\u{10ffff}";
/** Rows with the text that are read before they are put in order. */
const CANDIDATES = 200;
/** Of common pairs of characters the index reads about so many entries, and leaves out the rest. */
const ENTRIES = 5_000;

/** Pairs of neighbouring UTF-16 units, each as a signed number of 32 bits. */
function pairsOf(folded: string): number[] {
  const pairs = new Set<number>();
  for (let at = 1; at < folded.length; at++)
    pairs.add((folded.charCodeAt(at - 1) << 16) | folded.charCodeAt(at));
  return [...pairs];
}

type Row = RowOf<"directory", "tax_id" | "name">;
const companyOf = ({ tax_id, name }: Row): Company => ({ taxId: tax_id, name });

type Deps = { sql: Sql; taxpayers: Taxpayers };

export function createDirectory({ sql, taxpayers }: Deps): Directory {
  const byPrefix = (column: "tax_id" | "folded", text: string, limit: number) =>
    sql<Row[]>`
      select tax_id, name from directory
      where ${sql(column)} >= ${text} and ${sql(column)} < ${text + LAST}
      order by ${sql(column)}, tax_id limit ${limit}`;

  /** Companies with the text anywhere in their names, short names first. */
  const byPart = (folded: string, limit: number) =>
    sql.begin("read only", async (tx) => {
      // the index of pairs has no order that a bitmap could lose, and no scan without one
      await tx`set local enable_bitmapscan = on`;
      await tx`set local enable_seqscan = off`;
      await tx.unsafe(`set local gin_fuzzy_search_limit = ${ENTRIES}`);
      return tx<Row[]>`
        select tax_id, name from (
          select tax_id, name, folded from directory
          where pairs @> ${pairsOf(folded)}::int[] and position(${folded} in folded) > 0
          limit ${CANDIDATES}
        ) c order by char_length(folded), folded, tax_id limit ${limit}`;
    });

  async function rowsOf(query: Query, limit: number): Promise<Row[]> {
    if ("taxId" in query) return byPrefix("tax_id", normaliseTaxId(query.taxId), limit);
    const folded = foldName(query.name);
    const first = await byPrefix("folded", folded, limit);
    if (first.length === limit || folded.length < 2) return first;
    const known = new Set(first.map(({ tax_id }) => tax_id));
    const others = await byPart(folded, limit);
    return [...first, ...others.filter(({ tax_id }) => !known.has(tax_id))];
  }

  return {
    async find(tx, taxId) {
      const [row] = await tx<Row[]>`
        select tax_id, name from directory where tax_id = ${normaliseTaxId(taxId)}`;
      return row && companyOf(row);
    },

    async search(tx, query, limit) {
      // one more than is shown says whether there are more
      const rows = await rowsOf(query, limit + 1);
      const listed = rows.slice(0, limit).map(companyOf);
      const exact = "taxId" in query ? [normaliseTaxId(query.taxId)] : [];
      const taxIds = [...new Set([...listed.map(({ taxId }) => taxId), ...exact])];
      const { byTaxId } = await taxpayers.among(tx, [], taxIds);
      // an invoice calls a taxpayer by the name that it is enrolled under
      const items = taxIds.flatMap((taxId) => {
        const company = byTaxId.get(taxId) ?? listed.find((each) => each.taxId === taxId);
        return company ? [{ taxId, name: company.name }] : [];
      });
      return { items: items.slice(0, limit), more: rows.length > limit };
    },

    async put(tx, rows) {
      // in one order, so that two loads never wait for one another in a circle
      const last = [...new Map(rows.map((row) => [row.taxId, row])).values()].sort((a, b) =>
        a.taxId < b.taxId ? -1 : 1,
      );
      const leaving = last.filter(({ removed }) => removed);
      const kept = last.filter(({ removed }) => !removed);
      const folded = kept.map(({ name }) => foldName(name));
      const pairs = folded.map((name) => `{${pairsOf(name).join()}}`);
      const put =
        kept.length === 0
          ? 0
          : (
              await tx`
                insert into directory (tax_id, name, folded, pairs)
                select r.tax_id, r.name, r.folded, r.pairs::int[]
                from unnest(${kept.map(({ taxId }) => taxId)}::text[],
                  ${kept.map(({ name }) => name)}::text[], ${folded}::text[], ${pairs}::text[])
                  as r (tax_id, name, folded, pairs)
                on conflict (tax_id) do update set name = excluded.name, folded = excluded.folded,
                  pairs = excluded.pairs
                where directory.name <> excluded.name`
            ).count;
      const removed =
        leaving.length === 0
          ? 0
          : (
              await tx`
                delete from directory where tax_id = any(${leaving.map(({ taxId }) => taxId)}::text[])`
            ).count;
      return put + removed;
    },
  };
}
