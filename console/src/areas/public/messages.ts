import { wordsOf } from "../../shared/words.ts";

export const useWords = wordsOf("public", {
  "zh-CN": {
    "signIn.title": "登录",
    "signIn.key": "API 密钥",
    "signIn.key.help": "由税务局或所属单位发给您，形如 编号.密文。密钥只用来换取本浏览器的会话，不会保存在页面里。",
    "signIn.missing": "请输入密钥",
    "signIn.expired": "登录已失效，请重新登录。完成后会回到刚才的页面。",
    "signIn.already": "当前以“{{name}}”登录。用另一密钥登录会结束现在的会话。",
    "signIn.sandbox": "沙盒：选择一个身份",
    "signIn.sandbox.note": "这些身份只存在于本机的沙盒，随沙盒一起消失。",
  },
  "en-US": {
    "signIn.title": "Sign in",
    "signIn.key": "API key",
    "signIn.key.help": "Given to you by the bureau or your organisation, as id.secret. It is exchanged for this browser's session and not kept in the page.",
    "signIn.missing": "Enter a key",
    "signIn.expired": "Your session has ended. Sign in again; you will come back to where you were.",
    "signIn.already": "Signed in as “{{name}}”. Signing in with another key ends this session.",
    "signIn.sandbox": "Sandbox: be one of its parties",
    "signIn.sandbox.note": "They exist in the sandbox on this machine alone and go with it.",
  },
});
