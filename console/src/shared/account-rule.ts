/**
 * A form's rule for an account, as the gateway takes it; what is empty is another rule's affair.
 */
import { isAccount } from "@onepiao/protocol/values/account.ts";

export const accountRule = (message: string) => ({
  validator: (_rule: unknown, text?: string) =>
    !text?.trim() || isAccount(text.trim())
      ? Promise.resolve()
      : Promise.reject(new Error(message)),
});
