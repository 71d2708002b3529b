/** The text of a broken rule in the language of the page. */
import { ruleTextIn } from "./problem-words.ts";
import { languageNow } from "./words.ts";

export const ruleText = (broken: Parameters<typeof ruleTextIn>[1]) =>
  ruleTextIn(languageNow(), broken);
