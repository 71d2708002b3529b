/**
 * A form rule for an account, with the gateway's own check. An empty field passes: whether a field
 * is required is another rule.
 */
import { isAccount } from "@onepiao/protocol/values/account.ts";

export const accountRule = (message: string) => ({
  validator: (_rule: unknown, text?: string) =>
    !text?.trim() || isAccount(text.trim())
      ? Promise.resolve()
      : Promise.reject(new Error(message)),
});
