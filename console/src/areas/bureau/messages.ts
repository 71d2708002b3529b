import { wordsOf } from "../../shared/words.ts";

export const useWords = wordsOf("bureau", {
  "zh-CN": { "home.title": "首页" },
  "en-US": { "home.title": "Home" },
});
