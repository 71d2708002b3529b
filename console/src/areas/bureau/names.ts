/** Names of regions, industries and formats in the language of the page (name-tables.ts). */
import { useLanguage } from "../../shared/words.ts";
import { forms, nameIn, regions, type Trade, trades } from "./name-tables.ts";

export function useNames() {
  const [language] = useLanguage();
  return {
    regions: Object.keys(regions),
    region: (code: string) => nameIn(language, regions, code),
    trade: (trade: Trade) => nameIn(language, trades, trade),
  };
}

/** The format in which a document was read. */
export function useFormNames(): (form: string) => string {
  const [language] = useLanguage();
  return (form) => nameIn(language, forms, form);
}
