/** The invoice formats of the protocol's table, in the language of the page. */
import {
  type FormatName,
  formatNames,
  formats,
  titlesOf,
} from "@onepiao/protocol/formats/formats.ts";
import { useLanguage } from "./words.ts";

/** `all`: the titles of all formats as a list in a sentence. */
export function useFormats(): { title: (format: FormatName) => string; all: string } {
  const [language] = useLanguage();
  const short = language === "zh-CN" ? "zh" : "en";
  return { title: (format) => formats[format].title[short], all: titlesOf(formatNames, short) };
}
