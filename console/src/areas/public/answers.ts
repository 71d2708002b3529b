/** What this device learns from the gateway's answer, and what of it the page shows. */
import type { Schemas } from "../../shared/client.ts";

/**
 * Whether the gateway says that the sealing key belongs to the issuer. Undefined if it does not
 * say.
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

/** The parts of a file from outside as texts. Leaves out parts in a wrong form. */
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
    // as written, with its own offset, because the paper shows it so
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
