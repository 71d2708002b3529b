/**
 * Texts that a party writes: on every way in, each text follows the schema in
 * protocol/values/text.ts or a narrower form.
 */

import { invoiceDocument, paragraphMembers } from "@onepiao/protocol/formats/document.ts";
import { brokenTextRule, plainText } from "@onepiao/protocol/values/text.ts";
import { expect } from "chai";
import fc from "fast-check";
import * as z from "zod";
import { routes } from "../../scripts/docs.ts";
import { openApi } from "../../server/http/openapi.ts";

type Schema = { [name: string]: unknown };
type Described = {
  components: { schemas: Record<string, Schema> };
  paths: Record<string, Record<string, { parameters: Schema[]; requestBody?: Schema }>>;
};

/** Keywords that bound a string without the text schema: such a string is not free text. */
const bounds = ["pattern", "format", "enum", "const", "x-plain-text"];

/** Paths of the unbounded strings in a schema. */
function bareStrings(
  all: Described,
  schema: Schema,
  at: string,
  seen: ReadonlySet<string> = new Set(),
): string[] {
  const reference = schema["$ref"] as string | undefined;
  if (reference !== undefined) {
    const name = reference.split("/").at(-1) as string;
    return seen.has(name)
      ? []
      : bareStrings(all, all.components.schemas[name] as Schema, at, new Set([...seen, name]));
  }
  const own = schema["type"] === "string" && !bounds.some((name) => name in schema) ? [at] : [];
  const inner = ["anyOf", "oneOf", "allOf"].flatMap((name) =>
    ((schema[name] ?? []) as Schema[]).flatMap((part) => bareStrings(all, part, at, seen)),
  );
  const members = Object.entries((schema["properties"] ?? {}) as Record<string, Schema>).flatMap(
    ([name, part]) => bareStrings(all, part, `${at}/${name}`, seen),
  );
  const items =
    typeof schema["items"] === "object" && schema["items"] !== null
      ? bareStrings(all, schema["items"] as Schema, `${at}/*`, seen)
      : [];
  const rest = schema["additionalProperties"];
  const values =
    typeof rest === "object" && rest !== null
      ? bareStrings(all, rest as Schema, `${at}/*`, seen)
      : [];
  return [...own, ...inner, ...members, ...items, ...values];
}

describe("texts that a party writes", () => {
  it("each text in a body, query or path follows the text schema", async () => {
    const all = openApi(await routes(), {
      version: "0.0.0",
      maxWaitSeconds: 30,
    }) as unknown as Described;
    const bare: string[] = [];
    let [bodies, texts] = [0, 0];
    for (const [path, item] of Object.entries(all.paths)) {
      for (const [method, { parameters, requestBody }] of Object.entries(item)) {
        const at = `${method.toUpperCase()} ${path}`;
        for (const parameter of parameters) {
          if ("schema" in parameter)
            bare.push(
              ...bareStrings(
                all,
                parameter["schema"] as Schema,
                `${at} ?${String(parameter["name"])}`,
              ),
            );
        }
        for (const [type, { schema }] of Object.entries(
          (requestBody?.["content"] ?? {}) as Record<string, { schema: Schema }>,
        )) {
          // files in other formats are parsed by their readers, into the same schema
          if (!type.endsWith("json")) continue;
          bodies += 1;
          texts += JSON.stringify(schema).split("x-plain-text").length - 1;
          bare.push(...bareStrings(all, schema, `${at} ${type} `));
        }
      }
    }
    expect(bodies).above(20);
    expect(texts).above(6);
    expect(bare).deep.equals([]);
  });

  it("the members of a document that may have several lines are exactly those that XML readers do not join into one line", async () => {
    const { $defs, ...top } = z.toJSONSchema(invoiceDocument, { unrepresentable: "any" }) as Schema;
    const several = new Set<string>();
    JSON.stringify([top, $defs], (name, value: Schema) => {
      if (typeof value === "object" && value !== null && value["x-plain-text"] === "lines")
        several.add(name);
      return value;
    });
    expect([...several].sort()).deep.equals([...paragraphMembers].sort());
  });

  const kinds: [rule: string, signs: string[]][] = [
    ["text-control", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9b"]],
    ["text-line-break", ["\n", "\r", "\t"]],
    ["text-line-separator", ["\u2028", "\u2029"]],
    ["text-bidi", ["\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"]],
    [
      "text-zero-width",
      [
        "\u00ad",
        "\u200b",
        "\u200c",
        "\u200d",
        "\u2060",
        "\ufeff",
        "\u3164",
        "\ufffb",
        "\ufe0f\ufe0f",
      ],
    ],
    ["text-tag", ["\u{e0001}", "\u{e0041}", "\u{e007f}"]],
    ["text-private-use", ["\ue000", "\uf8ff", "\u{f0000}", "\u{10fffd}"]],
    ["text-noncharacter", ["\ufdd0", "\ufffe", "\u{1ffff}"]],
    ["text-surrogate", ["\ud800", "\udc00"]],
  ];
  for (const [rule, signs] of kinds) {
    it(`a character of ${rule} is refused by that name, in any position`, () => {
      for (const sign of signs)
        for (const text of [`${sign}远航`, `远${sign}航`, `远航${sign}`])
          expect(brokenTextRule(text, false)?.rule, JSON.stringify(text)).equals(
            text.startsWith("\ufe0f") ? "text-zero-width" : rule,
          );
    });
  }

  it("letters of all scripts, emoji and ideographic variants are accepted; line breaks only in texts of several lines", () => {
    for (const text of [
      "远航（深圳）有限公司",
      "Müller & Söhne GmbH",
      "שלום עולם",
      "مرحبا",
      "𠮷野家",
      "葛\u{e0100}城",
      "❤\ufe0f 👍🏽 🇨🇳",
      "a\u0301",
    ])
      expect(brokenTextRule(text, false), text).equals(undefined);
    expect(brokenTextRule("a\tb\r\nc", true)).equals(undefined);
    for (const blank of ["", "  ", "\u3000"])
      expect(plainText(9).safeParse(blank).error?.issues[0]).nested.include({
        "params.rule": "empty-text",
      });
  });

  it("each accepted text survives UTF-8 and JSON unchanged", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1 }), (text) => {
        if (brokenTextRule(text, true) !== undefined) return true;
        return (
          text.isWellFormed() &&
          new TextDecoder("utf-8", { fatal: true }).decode(new TextEncoder().encode(text)) === text
        );
      }),
      { numRuns: 500 },
    );
  });
});
