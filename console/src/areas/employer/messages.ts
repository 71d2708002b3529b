import { wordsOf } from "../../shared/words.ts";

export const useWords = wordsOf("employer", {
  "zh-CN": { "home.title": "首页" },
  "en-US": { "home.title": "Home" },
});
