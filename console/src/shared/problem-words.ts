/**
 * The texts of a refusal: in Chinese where there is a text for it, otherwise as the gateway wrote
 * it.
 */
import { type Problem, Refusal } from "./client.ts";
import { problemTitles } from "./problem-titles.ts";
import { ruleWords } from "./rule-words.ts";
import type { Language, Say } from "./words.ts";

type Broken = Pick<NonNullable<Problem["errors"]>[number], "rule" | "detail">;

/**
 * A broken rule in the person's language, if there is a text for it. `more`: the gateway's own
 * detail to show behind it.
 */
export function ruleTextIn(
  language: Language,
  { rule, detail }: Broken,
): { text: string; more?: string } {
  if (language !== "zh-CN") return { text: detail };
  const own = Object.hasOwn(ruleWords, rule) ? ruleWords[rule] : undefined;
  const words = rule.startsWith("BR-") ? "不符合欧洲标准 EN 16931 的规则" : own;
  return words === undefined ? { text: detail } : { text: words, more: detail };
}

/** The title of a problem code in a language that the gateway does not write, if there is one. */
export const titleIn = (language: Language, code: string): string | undefined =>
  language === "zh-CN" && Object.hasOwn(problemTitles, code)
    ? problemTitles[code as Problem["code"]]
    : undefined;

type Key = "problem.broken" | "problem.offline" | "problem.offline.detail" | "problem.unreadable";

/** Title and detail of a thrown error. A code without a text here keeps the gateway's title. */
export function problemWords(
  error: unknown,
  language: Language,
  say: Say<Key>,
): { title: string; detail: string } {
  if (!(error instanceof Refusal))
    return {
      title: say("problem.broken"),
      detail: error instanceof Error ? error.message : String(error),
    };
  if (error.code === "offline")
    return { title: say("problem.offline"), detail: say("problem.offline.detail") };
  // the outcome of the request is unknown
  if (error.code === "unreadable")
    return {
      title: say("problem.unreadable"),
      detail: [error.message, say("problem.offline.detail")].filter(Boolean).join(" · "),
    };
  return {
    title: titleIn(language, error.code) ?? error.problem?.title ?? error.code,
    detail: error.message,
  };
}

/** When a request may be retried, according to the gateway. */
export const retryOf = (
  problem: Pick<Problem, "retry"> | undefined,
): "same-key" | "later" | undefined =>
  problem?.retry === "same-key" || problem?.retry === "later" ? problem.retry : undefined;
