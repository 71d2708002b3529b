/** A refusal's words for a person, in both languages, and the field beside which they stand. */

import { catalogue } from "@onepiao/protocol/values/problems.ts";
import { expect } from "chai";
import fc from "fast-check";
import { type Problem, Refusal } from "../../console/src/shared/client.ts";
import { fieldErrorsOf, samePath } from "../../console/src/shared/field-problems.ts";
import { problemTitles } from "../../console/src/shared/problem-titles.ts";
import {
  problemWords,
  retryOf,
  ruleTextIn,
  titleIn,
} from "../../console/src/shared/problem-words.ts";
import { ruleWords } from "../../console/src/shared/rule-words.ts";

const problem = (more: Partial<Problem> = {}) =>
  ({
    type: "",
    title: "Claimed already",
    status: 409,
    detail: "By an employer",
    code: "already-claimed",
    retry: "never",
    requestId: "r",
    ...more,
  }) as Problem;
const refusal = (more: Partial<Problem> = {}) =>
  new Refusal(problem(more).code, { problem: problem(more), status: 409 });
/** A word stands for itself. */
const say = (key: string) => `<${key}>`;

describe("a refusal in words", () => {
  const cases: [
    label: string,
    error: unknown,
    language: "zh-CN" | "en-US",
    words: { title: string; detail: string },
  ][] = [
    [
      "in English as the gateway says it",
      refusal(),
      "en-US",
      { title: "Claimed already", detail: "By an employer" },
    ],
    [
      "in Chinese by its code",
      refusal(),
      "zh-CN",
      { title: problemTitles["already-claimed"], detail: "By an employer" },
    ],
    [
      "in Chinese with a code that there are no words for yet",
      refusal({ code: "brand-new" as Problem["code"] }),
      "zh-CN",
      { title: "Claimed already", detail: "By an employer" },
    ],
    [
      "with a code that every object has",
      refusal({ code: "constructor" as Problem["code"] }),
      "zh-CN",
      { title: "Claimed already", detail: "By an employer" },
    ],
    [
      "of the console's own",
      new Refusal("body-too-large"),
      "en-US",
      { title: "body-too-large", detail: "" },
    ],
    [
      "when nobody answered",
      new Refusal("offline", { detail: "fetch failed" }),
      "zh-CN",
      { title: "<problem.offline>", detail: "<problem.offline.detail>" },
    ],
    [
      "when the answer cannot be read, with what is not known then",
      new Refusal("unreadable", { status: 502, detail: "HTTP 502" }),
      "zh-CN",
      { title: "<problem.unreadable>", detail: "HTTP 502 · <problem.offline.detail>" },
    ],
    [
      "when the page broke",
      new TypeError("x is not a function"),
      "en-US",
      { title: "<problem.broken>", detail: "x is not a function" },
    ],
    [
      "when the thrown value is not an error",
      "oops",
      "en-US",
      { title: "<problem.broken>", detail: "oops" },
    ],
    [
      "when nothing was thrown",
      undefined,
      "en-US",
      { title: "<problem.broken>", detail: "undefined" },
    ],
  ];
  for (const [label, error, language, words] of cases)
    it(`${label}: ${words.title}`, () => {
      expect(problemWords(error, language, say)).deep.equals(words);
    });

  it("has a title in Chinese for every code of the gateway, and for no other", () => {
    expect(Object.keys(problemTitles).sort()).deep.equals(Object.keys(catalogue).sort());
    for (const [code, title] of Object.entries(problemTitles)) {
      expect(titleIn("zh-CN", code), code).equals(title);
      expect(title, code).to.match(/\p{Script=Han}/u);
      expect(titleIn("en-US", code)).equals(undefined);
    }
  });

  it("says when the same may be tried again, and nothing of what it does not know", () => {
    const retries: [retry: string | undefined, shown: string | undefined][] = [
      ["never", undefined],
      ["same-key", "same-key"],
      ["later", "later"],
      ["tomorrow", undefined],
      [undefined, undefined],
    ];
    for (const [retry, shown] of retries)
      expect(retryOf(problem({ retry: retry as Problem["retry"] }))).equals(shown);
    expect(retryOf(undefined)).equals(undefined);
  });
});

describe("a broken rule in words", () => {
  it("is the gateway's in English, and in Chinese as far as there are words", () => {
    const detail = "3 × 5 makes 15.00, not 16.00";
    expect(ruleTextIn("en-US", { rule: "line-amount", detail })).deep.equals({ text: detail });
    expect(ruleTextIn("zh-CN", { rule: "line-amount", detail })).deep.equals({
      text: "金额应等于数量乘以单价",
      more: detail,
    });
    expect(ruleTextIn("zh-CN", { rule: "BR-CO-10", detail }).text).to.include("EN 16931");
    expect(ruleTextIn("zh-CN", { rule: "no-such-rule", detail })).deep.equals({ text: detail });
  });
  it("is a text, whatever the rule is called", () => {
    for (const rule of ["constructor", "__proto__", "toString", "valueOf", ""])
      expect(ruleTextIn("zh-CN", { rule, detail: "d" }), rule).deep.equals({ text: "d" });
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom(...Object.keys(ruleWords))),
        fc.string(),
        (rule, detail) => {
          const { text, more = detail } = ruleTextIn("zh-CN", { rule, detail });
          expect(typeof text).equals("string");
          expect(more).equals(detail);
        },
      ),
    );
  });
});

describe("the words beside a field", () => {
  const words = ({ rule, detail }: { rule: string; detail: string }) =>
    rule === "known" ? { text: "已知", more: detail } : { text: detail };
  const broken = (...fields: [field: string, rule: string, detail: string][]) =>
    refusal({ errors: fields.map(([field, rule, detail]) => ({ field, rule, detail })) });

  it("stand beside each field once, with every message for it", () => {
    expect(
      fieldErrorsOf(
        broken(["/to", "known", "d1"], ["/lines/0/amount", "other", "d2"], ["/to", "other", "d3"]),
        samePath,
        words,
      ),
    ).deep.equals([
      { name: ["to"], errors: ["已知 (known: d1)", "d3 (other)"] },
      { name: ["lines", 0, "amount"], errors: ["d2 (other)"] },
    ]);
  });
  it("stand nowhere when the form has no such field; a message for the whole document is beside no field", () => {
    expect(
      fieldErrorsOf(
        broken(["/seller", "other", "d"], ["", "other", "d"]),
        (pointer) => (pointer === "/seller" ? undefined : samePath(pointer)),
        words,
      ),
    ).deep.equals([]);
  });
  it("are empty when no message is for a field", () => {
    for (const error of [refusal(), new Refusal("offline"), new Error("x"), undefined, null])
      expect(fieldErrorsOf(error, samePath, words)).deep.equals([]);
  });

  const pointers: [pointer: string, path: (string | number)[]][] = [
    ["/lines/12/quantity", ["lines", 12, "quantity"]],
    ["/buyer/taxId", ["buyer", "taxId"]],
    ["/roles", ["roles"]],
    ["", []],
    ["/1a", ["1a"]],
  ];
  for (const [pointer, path] of pointers)
    it(`${pointer || "of the whole"} is the form's ${JSON.stringify(path)}`, () => {
      expect(samePath(pointer)).deep.equals(path);
    });
});
