/**
 * `node scripts/docs.ts`: writes what in docs/ follows from the code: tables and the picture of the
 * floors between their markers, and the bundle's JSON Schema; and the client's types
 * (clients/typescript/api.ts). With `--check` it writes nothing and
 * exits with 1 when one is stale.
 *
 * The picture comes from the imports, calls from the routes (server/api/), refusals from the
 * catalogue, settings from their schema, acts from their table. Owns nothing else in these
 * documents; a marker that is missing is an error, so that no table is lost silently.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  formatNames,
  formats,
  formatsOfType,
  keepsOriginal,
  mediaTypes,
  titlesOf,
  writtenFormats,
} from "@onepiao/protocol/formats/formats.ts";
import { pdfType } from "@onepiao/protocol/formats/write.ts";
import { type Act, actKinds, acts } from "@onepiao/protocol/ledger/acts.ts";
import { bundleFormat, bundleSchema } from "@onepiao/protocol/proofs/bundle.ts";
import { catalogue } from "@onepiao/protocol/values/problems.ts";
import { z } from "zod";
import { routeTable } from "../server/http/route-table.ts";
import type { Route } from "../server/kernel/api.ts";
import { settings } from "../server/kernel/config.ts";
import { metricTable } from "../server/kernel/metrics.ts";
import { findingTable } from "../server/operator/findings.ts";
import { clientTypes } from "./client-types.ts";
import { arrows, floorPicture } from "./floor-picture.ts";

const root = new URL("../", import.meta.url);

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map(() => "---"), ...rows]
    .map((row) => `| ${row.map(cell).join(" | ")} |`)
    .join("\n");

/**
 * Every route. A factory uses what it is made with only when a route runs, so here it gets nothing.
 */
export async function routes(): Promise<Route[]> {
  const api = new URL("server/api/", root);
  const all: Route[] = [];
  for (const file of readdirSync(api).sort()) {
    if (file === "api.ts") continue; // the routes as types
    const module = (await import(new URL(file, api).href)) as Record<string, unknown>;
    const factories = Object.entries(module).filter(
      ([name, value]) => name.endsWith("Routes") && typeof value === "function",
    );
    if (factories.length === 0) throw new Error(`server/api/${file} exports no …Routes`);
    for (const [, factory] of factories)
      all.push(...(factory as (...parts: object[]) => Route[])({}, {}, {}));
  }
  return routeTable(all);
}

async function calls(): Promise<string> {
  const row = ({ method, path, roles, summary, answers }: Route) => [
    `\`${method.toUpperCase()} ${path}\``,
    roles === "public" ? "anyone" : roles.join(", "),
    summary,
    Object.keys(answers).join(", "),
  ];
  const tags = [...Map.groupBy(await routes(), (route) => route.tag)];
  return tags
    .map(
      ([tag, routes]) =>
        `**${tag}**\n\n${table(["call", "roles", "what", "answers"], routes.map(row))}`,
    )
    .join("\n\n");
}

function problems(): string {
  const rows = Object.entries(catalogue).map(([code, entry]) => [
    `\`${code}\``,
    String(entry.status),
    entry.title,
    entry.retry,
    "chain" in entry ? `\`${entry.chain}\`` : "",
  ]);
  return table(["code", "status", "title", "retry", "error of the contracts"], rows);
}

/** What a setting may be, in words: its bounds or its choices. */
function rangeOf(type: z.ZodType): string {
  const json = z.toJSONSchema(type, { io: "output", unrepresentable: "any" }) as {
    minimum?: number;
    maximum?: number;
    enum?: string[];
  };
  if (json.enum) return json.enum.join(", ");
  return json.minimum !== undefined && json.maximum !== undefined
    ? `${json.minimum} to ${json.maximum}`
    : "";
}

function settingsTable(): string {
  const rows = settings.map(({ name, description, type }) => {
    const fallback = type.safeParse(undefined);
    const without = fallback.success
      ? fallback.data === undefined
        ? ""
        : `\`${String(fallback.data)}\``
      : "must be set";
    return [`\`${name}\``, without, rangeOf(type), description];
  });
  return table(["setting", "default", "range", "what"], rows);
}

function metricsTable(): string {
  const rows = Object.entries(metricTable).map(([name, spec]) => [
    `\`${name}\``,
    spec.kind,
    "labels" in spec ? spec.labels.map((label) => `\`${label}\``).join(", ") : "",
    spec.of,
    spec.help,
  ]);
  return table(["metric", "kind", "labels", "of the", "what"], rows);
}

const evidenceInWords: Record<Act["evidence"], string> = {
  untouched: "for untouched invoices",
  all: "for every invoice",
  none: "none",
};

/** What the record has after an act, in words. */
function recordInWords({
  state,
  holder,
  employer,
  claim,
  release,
  mark,
  part,
}: Act["record"]): string {
  const taken = [
    holder && "holder",
    employer && "employer",
    claim && "claim",
    mark && "mark",
    part && "counts a part",
    release && "claim ends, employer stays if titled",
  ];
  return [...(state ? [`state ${state}`] : ["same state"]), ...taken.filter(Boolean)].join("; ");
}

function actsTable(): string {
  const rows = actKinds.map((kind, number) => {
    const { signs, consents, fields, ref, evidence, from, event, record, alarm, feed } = acts[kind];
    return [
      `${number} \`${kind}\``,
      signs,
      consents ? `${consents.who}, ${consents.when}` : "",
      Object.entries(fields)
        .map(([name, type]) => `\`${type} ${name}\``)
        .join(", "),
      ref,
      evidenceInWords[evidence],
      from.join(", "),
      `\`${event}\``,
      `${recordInWords(record)}${alarm ? "; a second payment raises the alarm" : ""}`,
      `\`${feed.type}\`: ${feed.seenBy.join(", ")}`,
    ];
  });
  return table(
    [
      "kind",
      "signs",
      "consents",
      "own fields",
      "`ref`",
      "evidence",
      "taken in",
      "event",
      "record",
      "feed, and who sees it",
    ],
    rows,
  );
}

const findingsTable = () =>
  table(
    ["finding", "means", "do"],
    Object.entries(findingTable).map(([code, { means, do: act }]) => [`\`${code}\``, means, act]),
  );

const code = (text: string) => `\`${text}\``;

/** What a body is read as, by its Content-Type. */
function formatsIn(): string {
  const readAs = (type: string) => {
    const names = formatsOfType(type);
    return titlesOf(names) + (names.length > 1 ? ", by the root element" : "");
  };
  const rows = [...Map.groupBy(mediaTypes, readAs)].map(([text, types]) => [
    types.map(code).join(", "),
    text,
  ]);
  return table(["Content-Type", "read as"], rows);
}

const formatsOut = () =>
  table(
    ["Accept", "answer"],
    [
      [
        [formats.json.mediaType, "*/*"].map(code).concat("none").join(", "),
        "the invoice with its document",
      ],
      [code(pdfType), "the invoice to look at, with its bundle inside"],
      ...writtenFormats.map((name) => [
        code(formats[name].mediaType),
        `the document as ${formats[name].title.en}`,
      ]),
    ],
  );

function formatsTable(): string {
  const written: readonly string[] = writtenFormats;
  const rows = formatNames.map((name) => {
    const { title, mediaType, rules } = formats[name];
    return [
      code(name),
      title.en,
      code(mediaType),
      code(rules),
      keepsOriginal(name) ? "kept" : "",
      written.includes(name) ? "yes" : "",
    ];
  });
  return table(["name", "format", "media type", "rules", "original", "written"], rows);
}

type Section = { file: string; name: string; text: string };

async function sections(): Promise<Section[]> {
  return [
    { file: "docs/architecture.md", name: "floors", text: floorPicture(await arrows()) },
    { file: "docs/architecture.md", name: "acts", text: actsTable() },
    { file: "docs/api.md", name: "calls", text: await calls() },
    { file: "docs/api.md", name: "problems", text: problems() },
    { file: "docs/api.md", name: "formats-in", text: formatsIn() },
    { file: "docs/api.md", name: "formats-out", text: formatsOut() },
    { file: "docs/formats.md", name: "formats", text: formatsTable() },
    { file: "docs/operations.md", name: "settings", text: settingsTable() },
    { file: "docs/operations.md", name: "metrics", text: metricsTable() },
    { file: "docs/operations.md", name: "findings", text: findingsTable() },
  ];
}

/** The files as they must be, by path from the project's root. Throws when a marker is missing. */
export async function documents(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const { file, name, text } of await sections()) {
    const [begin, end] = [`<!-- made by scripts/docs.ts: ${name} -->`, `<!-- end of ${name} -->`];
    const now = files.get(file) ?? readFileSync(new URL(file, root), "utf8");
    const [from, to] = [now.indexOf(begin), now.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file} lacks the markers of "${name}"`);
    files.set(file, `${now.slice(0, from + begin.length)}\n\n${text}\n\n${now.slice(to)}`);
  }
  files.set("docs/bundle.schema.json", bundleJsonSchema());
  files.set("clients/typescript/api.ts", clientTypes(await routes()));
  return files;
}

/** For programs that check bundles elsewhere: JSON Schema 2020-12. */
function bundleJsonSchema(): string {
  const schema = z.toJSONSchema(bundleSchema, { io: "input", unrepresentable: "any" });
  return `${JSON.stringify({ ...schema, title: `OnePiao bundle, ${bundleFormat}` }, undefined, 2)}\n`;
}

/** The documents whose tables are not what the code says. */
export async function staleDocuments(): Promise<string[]> {
  return [...(await documents())]
    .filter(
      ([file, text]) =>
        !existsSync(new URL(file, root)) || readFileSync(new URL(file, root), "utf8") !== text,
    )
    .map(([file]) => file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stale = await staleDocuments();
  if (process.argv.includes("--check")) {
    for (const file of stale)
      console.error(`${file} is stale: node scripts/docs.ts writes it again`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    for (const [file, text] of await documents()) writeFileSync(new URL(file, root), text);
    console.log(stale.length === 0 ? "nothing to change" : `written: ${stale.join(", ")}`);
  }
}
