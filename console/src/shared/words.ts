/**
 * What the console says, in Chinese and English. Each area keeps its own messages beside its pages
 * and takes them with the chunk that it is in: `export const useWords = wordsOf("holder", {
 * "zh-CN": {…}, "en-US": {…} })`, then `const say = useWords()` and `say("list.empty")`. A key that
 * one language lacks, and one that neither has, does not compile.
 */
import dayjs from "dayjs";
import "dayjs/locale/zh-cn";
import i18next from "i18next";
import { useCallback } from "react";
import { initReactI18next, useTranslation } from "react-i18next";

export const languages = ["zh-CN", "en-US"] as const;
export type Language = (typeof languages)[number];
/** `{{name}}` in a message is filled in. */
export type Say<K extends string> = (key: K, values?: Record<string, string | number>) => string;

const KEPT = "onepiao.language";

function first(): Language {
  const kept = localStorage.getItem(KEPT);
  if (kept === "zh-CN" || kept === "en-US") return kept;
  return navigator.language.startsWith("zh") ? "zh-CN" : "en-US";
}

function apply(language: Language): void {
  dayjs.locale(language === "zh-CN" ? "zh-cn" : "en");
  document.documentElement.lang = language;
}

i18next.use(initReactI18next);
void i18next.init({
  lng: first(),
  fallbackLng: false,
  resources: {},
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false },
});
apply(first());

export const languageNow = (): Language => (i18next.language === "zh-CN" ? "zh-CN" : "en-US");

export function useLanguage(): [Language, (language: Language) => void] {
  const { i18n } = useTranslation();
  const set = (language: Language) => {
    localStorage.setItem(KEPT, language);
    apply(language);
    void i18n.changeLanguage(language);
  };
  return [i18n.language === "zh-CN" ? "zh-CN" : "en-US", set];
}

/** A hook that gives an area its words. `name` is the area's own. */
export function wordsOf<const K extends string>(
  name: string,
  messages: { "zh-CN": Record<K, string>; "en-US": Record<NoInfer<K>, string> },
): () => Say<K> {
  for (const language of languages) i18next.addResourceBundle(language, name, messages[language]);
  return () => {
    const { t } = useTranslation(name);
    return useCallback((key, values) => t(key as string, { ...values }), [t]);
  };
}
