/** What a broken rule says to a person. */
import type { Problem } from "./client.ts";
import { ruleWords } from "./rule-words.ts";
import { languageNow } from "./words.ts";

type Broken = Pick<NonNullable<Problem["errors"]>[number], "rule" | "detail">;

/** A broken rule in the person's language, as far as there are words for it; `more`: what the gateway says besides. */
export function ruleText({ rule, detail }: Broken): { text: string; more?: string } {
  if (languageNow() !== "zh-CN") return { text: detail };
  const words = rule.startsWith("BR-") ? "不符合欧洲标准 EN 16931 的规则" : ruleWords[rule];
  return words === undefined ? { text: detail } : { text: words, more: detail };
}
