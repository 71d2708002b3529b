/**
 * What a refusal says to a person: in Chinese as far as there are words for it, else in the
 * gateway's.
 */
import { type Problem, Refusal } from "./client.ts";
import { problemTitles } from "./problem-titles.ts";
import { ruleWords } from "./rule-words.ts";
import type { Language, Say } from "./words.ts";

type Broken = Pick<NonNullable<Problem["errors"]>[number], "rule" | "detail">;

/**
 * A broken rule in the person's language, as far as there are words for it; `more`: what the
 * gateway says as well.
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

/** A code's title in a language other than the gateway's, where there are words for it. */
export const titleIn = (language: Language, code: string): string | undefined =>
  language === "zh-CN" && Object.hasOwn(problemTitles, code)
    ? problemTitles[code as Problem["code"]]
    : undefined;

type Key = "problem.broken" | "problem.offline" | "problem.offline.detail" | "problem.unreadable";

/** Title and detail of whatever was thrown. A code without words here has the gateway's title. */
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
  // what has become of the work is not known
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

/** When the same may be tried again, where the gateway says that it may be. */
export const retryOf = (
  problem: Pick<Problem, "retry"> | undefined,
): "same-key" | "later" | undefined =>
  problem?.retry === "same-key" || problem?.retry === "later" ? problem.retry : undefined;
