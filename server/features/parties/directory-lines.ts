/**
 * Lines of a directory: NDJSON, an object on each line, or CSV with a head line → rows.
 *
 * | member, column | |
 * | --- | --- |
 * | `taxId`, 统一社会信用代码, 纳税人识别号 | required |
 * | `name`, 名称, 纳税人名称 | required, unless the row is removed |
 * | `removed` | true: the directory no longer has it |
 *
 * A CSV field may stand in quotes, with a quote in it doubled (RFC 4180). It cannot contain a line
 * break, as no name can. A refusal names the member as a JSON pointer, the column by its name.
 */

import { decodeUtf8 } from "@onepiao/protocol/values/encoding.ts";
import { readJsonText } from "@onepiao/protocol/values/json.ts";
import { Problem } from "@onepiao/protocol/values/problems.ts";
import { checkShape } from "@onepiao/protocol/values/shape-check.ts";
import { taxIdQuery } from "@onepiao/protocol/values/shapes.ts";
import { plainText } from "@onepiao/protocol/values/text.ts";
import { z } from "zod";
import type { DirectoryRow } from "./directory.ts";

export const CSV = "text/csv";

export const directoryRowSchema = z
  .strictObject({
    taxId: taxIdQuery,
    name: plainText(200).trim().optional(),
    removed: z.boolean().default(false),
  })
  .refine(({ name, removed }) => removed || name !== undefined, {
    path: ["name"],
    params: { rule: "required" },
    message: "This is required",
  })
  .meta({ id: "DirectoryRow" });

const refuse = (rule: string, detail: string, field = "") =>
  new Problem("malformed-request", detail, { violations: [{ field, rule, detail }] });

function rowOf(value: unknown, field?: (path: readonly PropertyKey[]) => string): DirectoryRow {
  const { taxId, name = "", removed } = checkShape(directoryRowSchema, value, field);
  return { taxId, name, removed };
}

/** The fields of a line of CSV. Throws malformed-request. */
function fieldsOf(line: string): string[] {
  const fields: string[] = [];
  const next = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = next.exec(line);
    if (match === null)
      throw refuse(
        "csv-quotes",
        `Quotes are not closed, or stand inside field ${fields.length + 1}`,
      );
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === "") return fields;
  }
}

type Column = "taxId" | "name" | "removed";
const columns: Readonly<Record<string, Column>> = {
  taxid: "taxId",
  统一社会信用代码: "taxId",
  纳税人识别号: "taxId",
  name: "name",
  名称: "name",
  纳税人名称: "name",
  removed: "removed",
};

/** The columns of a head. Returns the Problem of a bad head: no line can be read then. */
function headOf(line: Uint8Array): { written: string[]; columns: Column[] } | Problem {
  try {
    const written = fieldsOf(decodeUtf8(line, refuse)).map((field) => field.trim());
    const named = written.map((field) => {
      const column = columns[field.toLowerCase().replaceAll(/[\s_-]/g, "")];
      if (column === undefined)
        throw refuse("csv-column", "The directory does not have this column", field);
      return column;
    });
    if (new Set(named).size < named.length)
      throw refuse("csv-column", "A column stands twice in the head");
    for (const needed of ["taxId", "name"] as const)
      if (!named.includes(needed)) throw refuse("csv-column", "The head lacks this column", needed);
    return { written, columns: named };
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
}

const flags: Readonly<Record<string, boolean>> = { "": false, false: false, true: true };

type Reader = (line: Uint8Array) => DirectoryRow | Problem | undefined;

function csvReader(): Reader {
  let head: Exclude<ReturnType<typeof headOf>, Problem> | undefined;
  return (line) => {
    if (head === undefined) {
      const read = headOf(line);
      if (read instanceof Problem) return read;
      head = read;
      return undefined;
    }
    const { written, columns: named } = head;
    const fields = fieldsOf(decodeUtf8(line, refuse));
    if (fields.length !== named.length)
      throw refuse("csv-fields", `The line has ${fields.length} fields, the head ${named.length}`);
    const value: Record<string, unknown> = {};
    for (const [at, column] of named.entries()) {
      const field = (fields[at] as string).trim();
      // what is neither true nor false stays a text, and is refused as such
      if (column === "removed") value[column] = flags[field.toLowerCase()] ?? field;
      else if (field !== "") value[column] = field;
    }
    return rowOf(value, ([column]) => written[named.indexOf(column as Column)] ?? String(column));
  };
}

/** A reader of the lines of one directory, in order. It returns the Problem of a CSV's bad head. */
export const directoryReader = (mediaType: string): Reader =>
  mediaType === CSV ? csvReader() : (line) => rowOf(readJsonText(decodeUtf8(line, refuse), refuse));
