/** Asking the gateway whether an invoice is what it says. */
import { Refusal, refusalOf } from "../../shared/client.ts";
import type { Printed } from "../../shared/links.ts";

type Code = "content" | "printed" | "issuer" | "identity" | "chain" | "state" | "hidden" | "bearer" | "truth";
type Step = "format" | "parts" | "content" | "path" | "seal" | "parties" | "document" | "printed" | "network" | "issuer" | "identity" | "lot" | "record";
export type Verified = {
  result:
    | "valid"
    | "adjusted"
    | "reversed"
    | "sealed"
    | "unattributed"
    | "altered"
    | "mismatch"
    | "other-network"
    | "not-the-issuers"
    | "not-on-chain"
    | "not-found"
    | "bad-format";
  number?: string;
  state?: "issued" | "claimed" | "reimbursed" | "reversed";
  steps?: { step: Step; outcome: "ok" | "failed" | "not-checked"; detail: string }[];
  proven?: { code: Code; detail: string }[];
  notProven?: { code: Code; detail: string }[];
};

async function asked(path: string, init: RequestInit = {}): Promise<Verified> {
  const response = await fetch(path, { ...init, headers: { Accept: "application/json", ...init.headers } }).catch((error: Error) => {
    throw new Refusal("offline", { detail: error.message });
  });
  if (!response.ok) throw await refusalOf(response);
  return (await response.json()) as Verified;
}

export const verifyPrinted = (printed: Printed): Promise<Verified> => asked(`/v1/verify?${new URLSearchParams(printed)}`);

const types: readonly [end: string, type: string][] = [
  [".pdf", "application/pdf"],
  [".xml", "application/xml"],
  [".json", "application/json"],
];

export const verifyFile = (file: File): Promise<Verified> => {
  const type = types.find(([end]) => file.name.toLowerCase().endsWith(end))?.[1] ?? file.type;
  return asked("/v1/verify", { method: "POST", headers: { "Content-Type": type }, body: file });
};
