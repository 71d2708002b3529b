/**
 * The console's texts in Chinese and English. Each area keeps its messages beside its pages, in its
 * own chunk: `export const useWords = wordsOf("holder", { "zh-CN": {…}, "en-US": {…} })`, then
 * `const say = useWords()` and `say("list.empty")`. A key that is missing in one language does not
 * compile. English may have a second text for the number one: `"list.count_one"` is used when
 * `count` is 1.
 */
import dayjs from "dayjs";
import "dayjs/locale/zh-cn";
import i18next from "i18next";
import { useCallback } from "react";
import { initReactI18next, useTranslation } from "react-i18next";

export const languages = ["zh-CN", "en-US"] as const;
export type Language = (typeof languages)[number];
/** Replaces `{{name}}` in a message by the value of that name. */
export type Say<K extends string> = (key: K, values?: Record<string, string | number>) => string;

const STORAGE_KEY = "onepiao.language";

function firstLanguage(): Language {
  const stored = localStorage.getItem(STORAGE_KEY);
  if (stored === "zh-CN" || stored === "en-US") return stored;
  return navigator.language.startsWith("zh") ? "zh-CN" : "en-US";
}

function apply(language: Language): void {
  dayjs.locale(language === "zh-CN" ? "zh-cn" : "en");
  document.documentElement.lang = language;
}

i18next.use(initReactI18next);
void i18next.init({
  lng: firstLanguage(),
  fallbackLng: false,
  resources: {},
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false },
});
apply(firstLanguage());

export const languageNow = (): Language => (i18next.language === "zh-CN" ? "zh-CN" : "en-US");

export function useLanguage(): [Language, (language: Language) => void] {
  const { i18n } = useTranslation();
  const set = (language: Language) => {
    localStorage.setItem(STORAGE_KEY, language);
    apply(language);
    void i18n.changeLanguage(language);
  };
  return [i18n.language === "zh-CN" ? "zh-CN" : "en-US", set];
}

/** Makes the hook that gives an area its messages. `name` is unique in the console. */
export function wordsOf<const K extends string>(
  name: string,
  messages: {
    "zh-CN": Record<K, string>;
    "en-US": Record<NoInfer<K>, string> & { [one in `${NoInfer<K>}_one`]?: string };
  },
): () => Say<K> {
  for (const language of languages) i18next.addResourceBundle(language, name, messages[language]);
  return () => {
    const { t } = useTranslation(name);
    return useCallback((key, values) => t(key as string, { ...values }), [t]);
  };
}
