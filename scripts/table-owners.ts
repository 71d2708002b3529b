/**
 * Whose table is it (docs/adr/0031-table-owners.md). A table belongs to the room of the server
 * whose migration creates it: `server/db/migrations/012_use.sql` makes the tables of
 * server/features/use. The SQL of a room names its own tables and views; of a room below it, views
 * whose name ends in `_now`, and it only reads these. A migration may also hang triggers and
 * references on a table below.
 *
 * Reads every SQL template of server/ and the tables that projections list (`npm run check`,
 * test/server/table-owners.ts). A name that comes from elsewhere at run time is not seen: that of
 * the catalogue, in operator/rebuild.ts.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "@swc/core";
import { type Room, roomOf, rooms } from "./floors.ts";
import { root } from "./run.ts";

/** A table or a view, and the room whose migration creates it. */
export type Relation = { name: string; room: Room; view: boolean };
/** A statement, or a part of one. `line`: where it begins. */
type Statement = { line: number; text: string };
type Use = { name: string; how: "reads" | "writes" | "refers to" };

const migrations = "server/db/migrations";
/** The place of a value, or of another fragment, in a statement. */
const HOLE = "\0";

const token = /--[^\n]*|'(?:[^']|'')*'|"[^"]*"|[a-z_]\w*|::|\0|[^\s\w]|\d\w*/gi;
const isName = (text: string | undefined): text is string =>
  text !== undefined && /^[a-z_]/i.test(text);
/** Words that end a table's entry in a list of tables; anything else there is its alias. */
const after = new Set(
  `where join left right full inner cross on using set order group limit for union values select
  returning natural as window having offset except intersect default with begin end`.split(/\s+/),
);
/** Functions whose arguments are written with `from`. */
const withFrom = new Set(["extract", "substring", "trim", "overlay"]);

/** Whether words before `on` are `create [unique] index [name]`. */
const isIndex = (words: readonly string[]): boolean =>
  /(^| )(create|unique) index( \w+)?$/.test(words.join(" "));

/** The relations that a statement, or a part of one, uses, and how. */
export function usesOf(text: string): Use[] {
  const tokens = [...text.matchAll(token)]
    .map(([word]) => (/^[a-z_]/i.test(word) ? word.toLowerCase() : word))
    .filter((word) => !word.startsWith("--"));
  const uses: Use[] = [];
  const note = (name: string | undefined, how: Use["how"]) => {
    if (isName(name)) uses.push({ name, how });
  };
  /** Past the bracket that closes the one at `at`. */
  const closed = (at: number): number => {
    let depth = 0;
    for (let i = at; i < tokens.length; i++) {
      if (tokens[i] === "(") depth += 1;
      if (tokens[i] === ")") depth -= 1;
      if (depth === 0) return i + 1;
    }
    return tokens.length;
  };
  /** Notes the tables of a list that begins at `at`; `many`: commas go on with it. */
  const list = (at: number, how: Use["how"], many: boolean): void => {
    let i = at;
    for (;;) {
      while (["only", "lateral", "if", "not", "exists", "table"].includes(tokens[i] ?? "")) i += 1;
      if (tokens[i] === "(") i = closed(i);
      else {
        const elsewhere = tokens[i + 1] === "." && tokens[i] !== "public";
        if (tokens[i + 1] === ".") i += 2;
        if (elsewhere) i += 1;
        else if (tokens[i + 1] === "(" && isName(tokens[i]) && how === "reads") i = closed(i + 1);
        else {
          note(tokens[i], how);
          i += 1;
        }
      }
      if (!many) return;
      if (tokens[i] === "as") i += 1;
      if (isName(tokens[i]) && !after.has(tokens[i] as string)) i += 1;
      if (tokens[i] === "(") i = closed(i);
      if (tokens[i] !== ",") return;
      i += 1;
    }
  };

  const [only] = tokens;
  if (tokens.length === 1) note(only, "reads");
  for (const [i, word] of tokens.entries()) {
    const [before, next] = [tokens[i - 1], tokens[i + 1]];
    if (word === "from") {
      const inCall = tokens[i - 2] === "(" && withFrom.has(tokens[i - 3] ?? "");
      if (before !== "distinct" && !inCall)
        list(i + 1, before === "delete" ? "writes" : "reads", true);
    } else if (word === "join") list(i + 1, "reads", false);
    else if (word === "using") list(i + 1, "reads", true);
    else if (word === "into") list(i + 1, "writes", false);
    else if (word === "truncate" && before !== "after") list(i + 1, "writes", true);
    else if (word === "update" && !["for", "key", "do", "after", "on"].includes(before ?? ""))
      list(i + 1, "writes", false);
    else if (word === "table" && before !== "truncate") list(i + 1, "writes", false);
    else if (word === "references") note(next, "refers to");
    else if (word === "on" && isIndex(tokens.slice(Math.max(0, i - 3), i))) note(next, "writes");
    else if (word === "on" && ["insert", "delete", "update", "truncate"].includes(before ?? ""))
      note(next, "refers to");
    else if (word.startsWith("'") && next === "::" && tokens[i + 2] === "regclass")
      note(word.slice(1, -1), "reads");
  }
  return uses;
}

/**
 * Names that a file's statements define for themselves: `with x as (`, `) x`, transition tables.
 */
const namesMadeIn = (text: string): Set<string> =>
  new Set(
    [
      ...text.matchAll(/\b(\w+)\s*(?:\([^()]*\)\s*)?as\s+(?:not\s+)?(?:materialized\s+)?[(\0]/gi),
      ...text.matchAll(/\)\s*(?:as\s+)?([a-z_]\w*)/gi),
      ...text.matchAll(/\b(?:new|old)\s+table\s+as\s+(\w+)/gi),
      ...text.matchAll(/\bcreate\s+(?:or\s+replace\s+)?(?:view|table)\s+(\w+)/gi),
    ].map(([, name]) => (name as string).toLowerCase()),
  );

type Node = { type?: string; [key: string]: unknown };
type Element = { expression: Node };
type Quasi = { raw: string; cooked?: string };

/**
 * The SQL of a source file: tagged templates, arguments of `unsafe`, names that a tag gets, and the
 * tables that a projection lists.
 */
export function statementsOf(source: string): Statement[] {
  const statements: Statement[] = [];
  let at = 0;
  const note = (raw: string, text: string) => {
    const here = source.indexOf(raw, at);
    at = here < 0 ? at : here;
    statements.push({ line: source.slice(0, at).split("\n").length, text });
  };
  const template = ({ quasis }: { quasis: Quasi[] }) =>
    note(quasis[0]?.raw ?? "", quasis.map(({ cooked, raw }) => cooked ?? raw).join(HOLE));
  const walk = (value: unknown): void => {
    if (value === null || typeof value !== "object") return;
    if (Array.isArray(value)) {
      for (const child of value) walk(child);
      return;
    }
    const node = value as Node;
    // the tables that a replay of the projection empties, by name
    if (node.type === "KeyValueProperty" && (node["key"] as Node)["value"] === "tables")
      for (const { expression } of ((node["value"] as Node)["elements"] ?? []) as Element[])
        if (expression.type === "StringLiteral")
          note(expression["value"] as string, `truncate ${expression["value"]}`);
    if (node.type === "TaggedTemplateExpression") template(node["template"] as { quasis: Quasi[] });
    if (node.type === "CallExpression") {
      const callee = node["callee"] as Node;
      const called = (callee["property"] as Node | undefined)?.["value"] ?? callee["value"];
      for (const { expression } of node["arguments"] as { expression: Node }[]) {
        const isSql = called === "unsafe" || called === "sql" || called === "tx";
        if (isSql && expression.type === "StringLiteral")
          note(expression["value"] as string, expression["value"] as string);
        if (called === "unsafe" && expression.type === "TemplateLiteral")
          template(expression as unknown as { quasis: Quasi[] });
      }
    }
    for (const child of Object.values(node)) walk(child);
  };
  walk(parseSync(source, { syntax: "typescript" }).body);
  return statements;
}

const filesUnder = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();

/** The room that a migration is of: `012_use.sql`, or a later `019_use_refunds.sql`. */
export function roomOfMigration(file: string): Room {
  const [, word] = /^\d{3}_([a-z]+)/.exec(file.slice(file.lastIndexOf("/") + 1)) ?? [];
  const room = rooms.find(({ path }) => path.startsWith("server/") && path.endsWith(`/${word}`));
  if (!room) throw new Error(`${file}: a migration is named after a room of the server`);
  return room;
}

/** Every table and view that the migrations create, by name; the runner's own table as well. */
export function readOwners(): Map<string, Relation> {
  const owners = new Map<string, Relation>();
  const put = (name: string, room: Room, view: boolean) => owners.set(name, { name, room, view });
  put("migrations", rooms.find(({ path }) => path === "server/db") as Room, false);
  for (const file of filesUnder(migrations)) {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, kind, name] of text.matchAll(/^create (table|view) (\w+)/gm))
      put(name as string, roomOfMigration(file), kind === "view");
  }
  return owners;
}

/**
 * One line for each use of a table that the file's room may not make. `names`: only whether every
 * relation is there; for code outside the server that inspects its tables.
 */
export function violationsIn(
  file: string,
  statements: readonly Statement[],
  owners: ReadonlyMap<string, Relation>,
  room: Room | undefined,
): string[] {
  const made = namesMadeIn(statements.map(({ text }) => text).join("\n"));
  const inMigration = file.startsWith(migrations);
  return statements.flatMap(({ line, text }) =>
    usesOf(text).flatMap(({ name, how }) => {
      const relation = owners.get(name);
      const says = (fault: string) => [`${file}:${line}: ${how} ${name}: ${fault}`];
      if (!relation) {
        const isTable = how !== "reads" || /\s/.test(text.trim());
        return !isTable || made.has(name) || name.startsWith("pg_") || after.has(name)
          ? []
          : says("no migration creates it");
      }
      if (room === undefined || relation.room === room || (made.has(name) && !inMigration))
        return [];
      const below = relation.room.floor < room.floor;
      if (below && how === "refers to" && inMigration) return [];
      if (below && how === "reads" && relation.view && name.endsWith("_now")) return [];
      return says(`it belongs to ${relation.room.path}`);
    }),
  );
}

/** Every use of a foreign table in the server, and of a table that does not exist. */
export function tableViolations(): string[] {
  const owners = readOwners();
  const source = (file: string) => readFileSync(join(root, file), "utf8");
  const code = (folder: string) => filesUnder(folder).filter((file) => file.endsWith(".ts"));
  return [
    ...filesUnder(migrations).flatMap((file) =>
      violationsIn(
        file,
        // a statement ends where a line ends with its semicolon, a function's body with its $$
        [{ line: 1, text: source(file) }],
        owners,
        roomOfMigration(file),
      ),
    ),
    ...code("server").flatMap((file) =>
      violationsIn(file, statementsOf(source(file)), owners, roomOf(file)),
    ),
    ...[...code("scripts"), ...code("sandbox")].flatMap((file) =>
      violationsIn(file, statementsOf(source(file)), owners, undefined),
    ),
  ];
}
