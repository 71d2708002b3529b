/** What a gateway's answer to a verification says for this device, and what of it is shown. */
import type { Schemas } from "../../shared/client.ts";

/**
 * What the gateway has said of the key that has sealed: theirs, not theirs, or (undefined) nothing
 * that counts.
 */
export function isTheirs(verified: object): boolean | undefined {
  const steps = "steps" in verified ? (verified.steps as Schemas["VerifiedBundle"]["steps"]) : [];
  const outcome = (name: string) => steps.find(({ step }) => step === name)?.outcome;
  const outcomes = ["network", "issuer", "identity"].map(outcome);
  if (outcomes.every((word) => word === "ok")) return true;
  return outcomes.includes("failed") ? false : undefined;
}

export type ShownText = {
  date?: string;
  seller?: string;
  buyer?: string;
  total?: string;
  currency: string;
  lines?: string;
  remark?: string;
};

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
const memberOf = (value: unknown, name: string) =>
  textOf(((value ?? {}) as Record<string, unknown>)[name]);

/** The parts of a stranger's file as texts; a part that is not as it should be is left out. */
export function shownTexts({
  date,
  seller,
  buyer,
  total,
  currency,
  remark,
  lines,
}: Record<string, unknown>): ShownText {
  const party = (value: unknown) => {
    const name = memberOf(value, "name");
    return name === undefined
      ? undefined
      : [name, memberOf(value, "taxId")].filter(Boolean).join(" ");
  };
  const line = (value: unknown) =>
    [memberOf(value, "name"), memberOf(value, "amount")].filter(Boolean).join(" ");
  const texts = {
    // as it was written, with its own offset: that is what stands on the paper
    date: textOf(date)
      ?.replace("T", " ")
      .replace(/(?=[+-]\d\d:\d\d$)/, " "),
    seller: party(seller),
    buyer: party(buyer),
    total: textOf(total),
    lines: Array.isArray(lines) ? lines.map(line).join("; ") : undefined,
    remark: textOf(remark),
  };
  const entries = Object.entries(texts).filter(([, text]) => text !== undefined);
  return {
    currency: textOf(currency) ?? "CNY",
    ...(Object.fromEntries(entries) as Omit<ShownText, "currency">),
  };
}
