/**
 * Row types of every table and view, as server/db/tables.ts: brings up PostgreSQL, applies the
 * migrations and reads the catalogue. `--check`: writes nothing and fails when the file is not what
 * would be written, in any part of it (test/server/tables.ts does the same).
 *
 * A column that a `check` limits to words is a union of these words. A view's column has the type
 * of the column that it shows; it may be null when that may be, or when the view finds it by an
 * outer join.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { migrate, openDb, type Sql } from "../server/db/db.ts";
import { startPostgres } from "../server/db/postgres.ts";
import { root } from "./run.ts";
import { readOwners } from "./table-owners.ts";

export const tablesFile = "server/db/tables.ts";

const types: Record<string, string> = {
  boolean: "boolean",
  smallint: "number",
  integer: "number",
  "double precision": "number",
  bigint: "bigint",
  numeric: "string",
  text: "string",
  uuid: "string",
  bytea: "Buffer",
  jsonb: "Json",
  "timestamp with time zone": "Date",
  date: "Date",
  "text[]": "string[]",
  "integer[]": "number[]",
};

type Column = { type: string; nullable: boolean };
type Columns = Map<string, Column>;

/** What values a check of one column allows: `status = ANY (ARRAY['a'::text, …])`. */
function unionOf(check: string): { column: string; type: string } | undefined {
  const [, column, list] = /^CHECK \(\((\w+) = ANY \(ARRAY\[(.*)\]\)\)\)$/.exec(check) ?? [];
  if (column === undefined || list === undefined) return undefined;
  const values = [...list.matchAll(/'([^']*)'::text|(\d+)/g)].map(([, word, number]) =>
    word === undefined ? (number as string) : JSON.stringify(word),
  );
  return { column, type: values.join(" | ") };
}

/** The columns of a view as its definition shows them (pg_get_viewdef). */
function columnsOfView(
  definition: string,
  names: readonly string[],
  known: ReadonlyMap<string, Columns>,
): Columns {
  const [, list = "", from = ""] =
    /^\s*SELECT (.*?)\n\s+FROM (.*)$/s.exec(definition.replaceAll('"', "")) ?? [];
  const shown = list.split(/,\n\s+/);
  const sources = [...from.matchAll(/(LEFT JOIN )?\b([a-z]\w*)(?: ([a-z]\w*))?/g)].flatMap(
    ([, left, name = "", alias = name]) => {
      const columns = known.get(name);
      return columns ? [{ alias, columns, outer: left !== undefined }] : [];
    },
  );
  const columnOf = (reference: string): Column | undefined => {
    const [name = "", alias] = reference.split(".").reverse();
    const source =
      alias === undefined ? sources[0] : sources.find((source) => source.alias === alias);
    const column = source?.columns.get(name);
    return column && { ...column, nullable: column.nullable || source?.outer === true };
  };
  /** `coalesce(column, last)`; the last one is a column, a word or a number. */
  const coalesced = (first: string, last: string): Column | undefined => {
    const column = columnOf(first);
    const [, word, , cast] = /^'(.*)'::text$|^\(?(\d+)(?:\)::(\w+))?$/.exec(last) ?? [];
    if (word !== undefined && column)
      return { type: `${JSON.stringify(word)} | ${column.type}`, nullable: false };
    if (/^\(?\d/.test(last)) {
      const type = column?.type ?? types[cast ?? "integer"];
      return type === undefined ? undefined : { type, nullable: false };
    }
    return column && { type: column.type, nullable: columnOf(last)?.nullable ?? true };
  };
  const typeOf = (text: string): Column | undefined => {
    const expression = text.replace(/ AS \w+$/, "").replaceAll(/\((\w+\.\w+)\)::\w+/g, "$1");
    const [, first, last] = /^COALESCE\((.*), (.*)\)$/.exec(expression) ?? [];
    if (first !== undefined && last !== undefined) return coalesced(first, last);
    const [, compared] = /^\(?(\w+\.\w+) (?:<>|=|<|>) \d+\)?$/.exec(expression) ?? [];
    if (compared !== undefined)
      return { type: "boolean", nullable: columnOf(compared)?.nullable ?? true };
    return columnOf(expression);
  };
  return new Map(
    names.map((name, i) => {
      const column = typeOf((shown[i] ?? "").trim());
      if (!column) throw new Error(`No type for the column ${name} of a view: ${shown[i]}`);
      return [name, column];
    }),
  );
}

async function readCatalogue(sql: Sql): Promise<Map<string, Columns>> {
  const rows = await sql<
    { relation: string; view: string | null; column: string; type: string; nullable: boolean }[]
  >`
    select c.relname as relation, case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as view,
      a.attname as column, format_type(a.atttypid, null) as type, not a.attnotnull as nullable
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
    order by c.oid, a.attnum`;
  const checks = await sql<{ relation: string; definition: string }[]>`
    select conrelid::regclass::text as relation, pg_get_constraintdef(oid) as definition
    from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace`;
  const known = new Map<string, Columns>();
  for (const [relation, columns] of Map.groupBy(rows, (row) => row.relation)) {
    const view = columns[0]?.view;
    if (view != null) {
      const names = columns.map(({ column }) => column);
      known.set(relation, columnsOfView(view, names, known));
      continue;
    }
    const unions = new Map(
      checks.flatMap((check) => {
        const union = check.relation === relation ? unionOf(check.definition) : undefined;
        return union ? [[union.column, union.type] as const] : [];
      }),
    );
    known.set(
      relation,
      new Map(
        columns.map(({ column, type, nullable }) => {
          const plain = types[type];
          if (plain === undefined) throw new Error(`No type for ${relation}.${column}: ${type}`);
          return [column, { type: unions.get(column) ?? plain, nullable }];
        }),
      ),
    );
  }
  return known;
}

/** The text of the file, for the schema of this database. */
export async function tablesText(sql: Sql): Promise<string> {
  const known = await readCatalogue(sql);
  const owners = readOwners();
  const byRoom = Map.groupBy(
    [...known].filter(([name]) => owners.has(name)),
    ([name]) => owners.get(name)?.room.path ?? "",
  );
  const lines = [
    "/**",
    " * The columns of every table and view, by the room that owns it: made by scripts/tables.ts from",
    ' * the migrations. A statement says which it reads: `tx<RowOf<"lots", "first" | "count">[]>`.',
    " */",
    'import type { Json } from "./sql.ts";',
    "",
    "/** A row of a table or a view, or some of its columns. */",
    "export type RowOf<T extends keyof Tables, C extends keyof Tables[T] = keyof Tables[T]> = Pick<",
    "  Tables[T],",
    "  C",
    ">;",
    "",
    "export type Tables = {",
  ];
  for (const [room, relations] of byRoom) {
    lines.push(`  // ${room}`);
    for (const [name, columns] of relations) {
      lines.push(`  ${name}: {`);
      for (const [column, { type, nullable }] of columns) {
        const words = nullable ? `${type} | null` : type;
        const line = `    ${column}: ${words};`;
        if (line.length <= 100) lines.push(line);
        else {
          lines.push(`    ${column}:`);
          const members = words.split(" | ").map((member) => `      | ${member}`);
          lines.push(...members.slice(0, -1), `${members[members.length - 1]};`);
        }
      }
      lines.push("  };");
    }
  }
  return `${[...lines, "};"].join("\n")}\n`;
}

if (import.meta.main) {
  const postgres = await startPostgres();
  const sql = openDb(postgres.url);
  try {
    await migrate(sql);
    const [text, path] = [await tablesText(sql), join(root, tablesFile)];
    if (!process.argv.includes("--check")) writeFileSync(path, text);
    else if (readFileSync(path, "utf8") !== text) {
      console.error(`${tablesFile} is not what the migrations make: run node scripts/tables.ts`);
      process.exitCode = 1;
    }
  } finally {
    await sql.end();
    await postgres.close();
  }
}
