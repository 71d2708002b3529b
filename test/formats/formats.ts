/** The table of formats: its rows' promises, and that no other code distinguishes formats. */
import { readdirSync, readFileSync } from "node:fs";
import {
  endingOf,
  formatNames,
  formatOf,
  formats,
  formatsOfType,
  keepsOriginal,
  mediaTypes,
  sourceFormats,
  syntaxes,
  titlesOf,
  typeOfText,
  writtenAs,
  writtenFormats,
} from "@onepiao/protocol/formats/formats.ts";
import { readInvoice } from "@onepiao/protocol/formats/read.ts";
import { expect } from "chai";
import { codeOf } from "../server/support/source.ts";
import { good, refusalOf } from "./samples.ts";

const root = new URL("../../", import.meta.url);
const own = "protocol/formats/";

/**
 * Where a file knows one format from another: a name or a media type of a row as a text, a row
 * taken by its name, and "json" where something is compared with it. (Elsewhere "json" is a word
 * for many things.)
 */
function knows(source: string): string[] {
  const { code, texts } = codeOf(source);
  const traces: string[] = [];
  for (const name of sourceFormats) {
    const inText = texts.filter(
      (text) =>
        text === name || text.endsWith(`.${name}`) || text.includes(formats[name].mediaType),
    );
    const inCode = [...code.matchAll(new RegExp(`(?<![\\w$])${name}(?![\\w$])`, "g"))];
    traces.push(...inText, ...inCode.map(([word]) => word));
  }
  for (const { 1: before, 2: after } of code.matchAll(
    /(?:(?:[=!]==?|\?\?|\bcase)\s*"(\d+)")|(?:"(\d+)"\s*[=!]==?)/g,
  ))
    if (texts[Number(before ?? after)] === "json") traces.push("json");
  return traces;
}

function sources(): Map<string, string> {
  const names = ["protocol", "server", "sandbox", "scripts", "console/src"].flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: "utf8" }).map(
      (name) => `${folder}/${name.replaceAll("\\", "/")}`,
    ),
  );
  const code = names.filter(
    (name) =>
      /\.tsx?$/.test(name) &&
      !name.endsWith(".d.ts") &&
      !name.startsWith(own) &&
      !name.includes("/node_modules/"),
  );
  return new Map(code.map((name) => [name, readFileSync(new URL(name, root), "utf8")]));
}

describe("the table of formats", () => {
  it("is the only place that knows one format from another", () => {
    const files = sources();
    expect(files.size).greaterThan(300);
    expect(
      [...files].flatMap(([name, source]) => knows(source).map((trace) => `${name}: ${trace}`)),
    ).deep.equals([]);
  });

  it("and where somebody else does, it is seen", () => {
    for (const line of [
      'const number = source?.format === "shudian" ? numbers?.[0] : document.sourceId;',
      'const formOf = (type: string) => (type.includes("shudian") ? "shudian" : "ubl");',
      'const format = source?.format ?? "json";',
      'if ("json" !== format) return;',
      'switch (format) { case "json": return 1; }',
      "const rules = formats.ubl.rules;",
      'const titles = { shudian: "数电票" };',
      'const type = "application/vnd.onepiao.ubl+xml; charset=utf-8";',
      'say("download.ubl");',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a template within a text
      "const name = `${number}.${format === `ubl` ? 1 : 2}`;",
    ])
      expect(knows(line), line).not.deep.equals([]);
    for (const line of [
      'import { parse } from "./ubl-samples.ts"; // shudian, "ubl"',
      'const body = format === other ? sample("ubl/01-two-rates.xml") : flags.has("json");',
      'await grants.logReads(tx, caller, [number], "json");',
    ])
      expect(knows(line), line).deep.equals([]);
  });

  it("gives each format a media type and a file name of its own", () => {
    const rows = Object.values(formats);
    for (const texts of [
      rows.map((row) => row.mediaType),
      rows.map((row) => row.title.en),
      writtenFormats.map((name) => formats[name].download),
    ])
      expect(new Set(texts).size).equals(texts.length);
    // those that clients know stay, in their order, whatever formats come
    expect(mediaTypes.slice(0, 5)).deep.equals([
      "application/json",
      "application/xml",
      "text/xml",
      "application/vnd.onepiao.shudian+xml",
      "application/vnd.onepiao.ubl+xml",
    ]);
    for (const name of formatNames)
      expect(formatsOfType(formats[name].mediaType)).deep.equals([name]);
    for (const name of writtenFormats) expect(writtenAs(formats[name].mediaType)).equals(name);
    expect([formatsOfType("text/plain"), writtenAs("application/json")]).deep.equals([
      [],
      undefined,
    ]);
    expect(titlesOf(["json", "shudian", "ubl"])).equals("JSON, 数电票 XML, or UBL XML (EN 16931)");
  });

  it("a file is read under its format's type and its syntax's, and under no other format's", () => {
    for (const name of formatNames) {
      const [sample] = good(name);
      if (sample === undefined) throw new Error(`there is no sample of ${name}`);
      const { syntax, mediaType } = formats[name];
      for (const type of [mediaType, ...syntaxes[syntax].mediaTypes]) {
        const { document, source } = readInvoice(type, sample.body);
        expect([formatOf(document), source?.format]).deep.equals([
          name,
          keepsOriginal(name) ? name : undefined,
        ]);
      }
      expect(syntaxes[syntax].mediaTypes).includes(typeOfText(`\ufeff \n${sample.text}`));
      expect(sample.name.endsWith(`.${endingOf(name)}`)).equals(true);
      for (const other of formatNames.filter((each) => each !== name)) {
        const { code, violations } = refusalOf(() =>
          readInvoice(formats[other].mediaType, sample.body),
        );
        // another syntax cannot be parsed; of the same one it is the root element that is refused
        const parsed = formats[other].syntax === syntax;
        expect([code, violations[0]?.rule === "unknown-root"]).deep.equals([
          parsed ? "invalid-document" : "malformed-document",
          parsed,
        ]);
      }
    }
  });

  it("a text that is not an invoice is refused by the reader of JSON", () => {
    for (const start of ["", "  ", "PK\u0003\u0004", "%PDF-1.7"])
      expect(typeOfText(start)).equals("application/json");
  });
});
